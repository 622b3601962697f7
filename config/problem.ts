/** What is wrong with one field of an environment file. */
export interface Problem {
  /** As in `worker.network.cidr`; of the whole file empty. */
  readonly path: string;
  /** What was got, what is allowed, and what to change. */
  readonly message: string;
}
