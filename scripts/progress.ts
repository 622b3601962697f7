/**
 * Shows that something takes its time: a spinner on a terminal, a plain line
 * elsewhere. On stderr, since stdout is for what the command produces.
 */
export async function withProgress<T>(
  text: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) {
    console.error(`${text} …`);
    return await work();
  }
  const { default: ora } = await import("ora");
  // stdin stays untouched: in raw mode Ctrl-C would be no signal.
  const spinner = ora({ text, discardStdin: false }).start();
  try {
    const result = await work();
    spinner.succeed();
    return result;
  } catch (error) {
    spinner.fail();
    throw error;
  }
}
