/** One of the operator's commands as a process of its own, to its end. */
import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export interface ScriptResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder as the kit's, with one environment. */
export class Kit implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "bemi-kit-"));

  constructor(contents: unknown) {
    mkdirSync(join(this.path, "environments"));
    writeFileSync(this.#file, `${JSON.stringify(contents, undefined, 2)}\n`);
  }

  get text(): string {
    return readFileSync(this.#file, "utf8");
  }

  /** @param endpoint - of AWS */
  async run(
    script: string,
    args: readonly string[],
    { endpoint, input = "" }: { endpoint?: string; input?: string } = {},
  ): Promise<ScriptResult> {
    const child = spawn(
      process.execPath,
      [
        ...["--import", pathToFileURL(require.resolve("tsx")).href],
        join(__dirname, "../../scripts", `${script}.ts`),
        ...args,
      ],
      {
        cwd: this.path,
        timeout: 60_000,
        env: {
          PATH: process.env.PATH,
          HOME: this.path,
          AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
          AWS_SECRET_ACCESS_KEY: "none",
          AWS_EC2_METADATA_DISABLED: "true",
          ...(endpoint ? { AWS_ENDPOINT_URL: endpoint } : {}),
        },
      },
    );
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => undefined).end(input);
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  get #file(): string {
    return join(this.path, "environments", "prod.json");
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
