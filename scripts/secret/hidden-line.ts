/** A secret from the terminal, which does not show it, or from a pipe. */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { Failure } from "../command-line";

export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Questions go there; what is typed does not. */
  readonly output: NodeJS.WritableStream;
}

/**
 * From a pipe: all that comes, without the line break at its end. From a
 * terminal: typed twice, since nobody sees a slip.
 */
export async function readHidden(
  question: string,
  { input, output }: Terminal,
): Promise<string> {
  if (!input.isTTY) return (await textOf(input)).replace(/\r?\n$/, "");
  // The line editor echoes into this, so backspace works and nothing is shown.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // Before the first question, and until the last answer: in between the
  // terminal itself would show what is typed.
  const lines = createInterface({
    input,
    output: nowhere,
    terminal: true,
    historySize: 0,
  });
  try {
    const first = await ask(`${question}: `, { lines, output });
    const second = await ask("The same again: ", { lines, output });
    if (first === second) return first;
  } finally {
    lines.close();
  }
  throw new Failure("the two were not the same; nothing was changed");
}

async function ask(
  question: string,
  {
    lines,
    output,
  }: { readonly lines: Interface; readonly output: NodeJS.WritableStream },
): Promise<string> {
  output.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = () =>
        reject(new Failure("interrupted; nothing was changed"));
      lines.once("line", resolve).once("SIGINT", stop).once("close", stop);
    });
  } finally {
    output.write("\n");
  }
}
