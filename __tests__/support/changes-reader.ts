/** The application of `__tests__/mikro-orm/reader.ts`, as a function to call. */
import type { LoggedProcess } from "../../scripts/logged-process";
import { MikroApplication, type MikroOrmVersion } from "./mikro-application";

export class ChangesReader implements AsyncDisposable {
  private constructor(
    private readonly application: LoggedProcess,
    private readonly url: string,
  ) {}

  /** Reading the `changes` of the database. */
  static async start(
    version: MikroOrmVersion,
    databaseUrl: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ChangesReader> {
    const format = version === "6" ? "cjs" : "esm";
    const program = await MikroApplication.prepare(
      version,
      format,
      "reader.ts",
    );
    const application = program.start(databaseUrl, [], env);
    try {
      const { port } = await application.log("serving");
      return new ChangesReader(application, `http://127.0.0.1:${port}/`);
    } catch (error) {
      await application[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the function gives, as JSON does; throws what it throws. */
  async call<Result = unknown>(
    name: string,
    ...args: unknown[]
  ): Promise<Result> {
    const response = await fetch(this.url, {
      method: "POST",
      body: JSON.stringify([name, ...args]),
    });
    const { result, error } = (await response.json()) as {
      result: Result;
      error?: string;
    };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.application[Symbol.asyncDispose]();
  }
}
