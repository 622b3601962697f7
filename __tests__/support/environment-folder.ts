/** An environment's file in a folder of its own, for scripts that change it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EnvironmentFile } from "../../scripts/environment-file";

export class EnvironmentFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "bemi-environments-"));

  constructor(
    readonly name: string,
    contents: unknown,
  ) {
    this.text =
      typeof contents === "string"
        ? contents
        : `${JSON.stringify(contents, undefined, 2)}\n`;
  }

  get file(): EnvironmentFile {
    return EnvironmentFile.of(this.name, this.path);
  }

  get text(): string {
    return readFileSync(join(this.path, `${this.name}.json`), "utf8");
  }

  set text(text: string) {
    writeFileSync(join(this.path, `${this.name}.json`), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
