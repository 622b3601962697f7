/** A program run to its end. */
import { spawn } from "node:child_process";

export interface ProgramRun {
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its stdin, which is closed then. A secret belongs here, never among the arguments. */
  readonly input?: string;
  /** Shows what it says while it runs, on stderr. */
  readonly shown?: boolean;
}

export interface ProgramResult {
  /** Undefined: there is no such program on PATH. */
  readonly code: number | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runProgram(
  program: string,
  args: readonly string[],
  { env = process.env, input, shown = false }: ProgramRun = {},
): Promise<ProgramResult> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env,
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (shown) process.stderr.write(text);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (shown) process.stderr.write(text);
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") resolve({ code: undefined, stdout, stderr });
      else reject(error);
    });
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    // One that ends without reading says by its exit code what is wrong.
    child.stdin?.on("error", () => undefined).end(input);
  });
}

/**
 * A program that has the terminal to itself: it asks, and it is interrupted. A
 * Ctrl-C is left to it, since Terraform has a state to write and a lock to free.
 * @returns its exit code; undefined: there is no such program on PATH
 */
export async function runInForeground(
  program: string,
  args: readonly string[],
  { env = process.env, cwd = process.cwd() }: ForegroundRun = {},
): Promise<number | null | undefined> {
  const child = spawn(program, args, { env, cwd, stdio: "inherit" });
  const wait = () => undefined;
  const pass = () => child.kill("SIGTERM");
  process.on("SIGINT", wait).on("SIGTERM", pass);
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") resolve(undefined);
        else reject(error);
      });
      child.on("close", resolve);
    });
  } finally {
    process.off("SIGINT", wait).off("SIGTERM", pass);
  }
}

export interface ForegroundRun {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}
