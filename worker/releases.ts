/** Closes what was opened, in reverse order, whatever happened in between. */
export class Releases implements AsyncDisposable {
  readonly #releases: (() => unknown)[] = [];

  /** Runs `release` at the end; a failure of it hides nothing. */
  defer(release: () => unknown): void {
    this.#releases.push(release);
  }

  /** Disposes of `resource` at the end, and returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#releases.splice(0).reverse()) {
      try {
        await release();
      } catch {
        // What failed before is the reason; a connection that cannot be closed
        // is closed by the end of the process.
      }
    }
  }
}
