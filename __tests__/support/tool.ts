/** Programs of the operating system that a test may have or not. */
import { spawnSync } from "node:child_process";

export interface Outcome {
  readonly status: number | null;
  /** Of both streams. */
  readonly output: string;
}

export function run(
  command: string,
  args: readonly string[],
  input = "",
): Outcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input,
    encoding: "utf8",
  });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}` };
}

/**
 * `test` where the program works, a skipped test where it does not: the report
 * then shows what was not looked at.
 */
export function testWith(command: string, probe: readonly string[]): jest.It {
  const { error, status } = spawnSync(command, probe, { stdio: "ignore" });
  return error || status !== 0 ? test.skip : test;
}
