/**
 * Programs that stand in for others on PATH: each writes down how it was
 * called, and answers as it was told.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

export interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin: string;
}

/** By what the arguments, joined by spaces, begin with; the longest one counts. */
export type Answers = Readonly<
  Record<
    string,
    { readonly code?: number; readonly stderr?: string; readonly run?: string }
  >
>;

export class StandIns implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "bemi-stand-ins-"));
  readonly #log = join(this.folder, "calls.jsonl");

  /** Those that the caller's own stdin is handed on to. */
  readonly #inForeground: ReadonlySet<string> = new Set(["cdktf"]);

  /** @param answers - code 0 and no text for everything else */
  add(program: string, answers: Answers = {}): this {
    const path = join(this.folder, program);
    writeFileSync(
      path,
      `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const args = process.argv.slice(2);
// One that has the terminal would wait for whoever started the tests.
const stdin = ${this.#inForeground.has(program)} ? "" : readFileSync(0, "utf8");
appendFileSync(${JSON.stringify(this.#log)}, JSON.stringify({ program: ${JSON.stringify(program)}, args, stdin }) + "\\n");
const answers = ${JSON.stringify(answers)};
const key = Object.keys(answers)
  .filter((start) => args.join(" ").startsWith(start))
  .sort((one, other) => other.length - one.length)[0];
const { code = 0, stderr = "", run = "" } = answers[key] ?? {};
process.stderr.write(stderr);
if (run) eval(run);
process.exit(code);
`,
    );
    chmodSync(path, 0o755);
    return this;
  }

  /** Nothing but the stand-ins is on PATH. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: this.folder };
  }

  /** The stand-ins come first; Node itself is there too. */
  get envWithNode(): NodeJS.ProcessEnv {
    const path = [this.folder, dirname(process.execPath), "/usr/bin", "/bin"];
    return { ...process.env, PATH: path.join(delimiter) };
  }

  get calls(): Call[] {
    if (!existsSync(this.#log)) return [];
    return readFileSync(this.#log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  /** Every call as a line of a shell. */
  get lines(): string[] {
    return this.calls.map(({ program, args }) => [program, ...args].join(" "));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
