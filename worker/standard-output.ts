/**
 * Lines to the standard output, each written before the next is said. pino's own
 * way writes in the background, where a `fatal` line overtakes those still under
 * way, and waits for ever where a full disk takes none.
 */
import { writeSync } from "node:fs";

const FILE_DESCRIPTOR = 1;
/** Until a reader of a pipe that does not block may have taken something. */
const FULL_PIPE_PAUSE_MS = 10;

export const standardOutput = {
  /** What cannot be written is dropped: a log's full disk must stop no trail. */
  write(line: string): void {
    let rest = Buffer.from(line);
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(FILE_DESCRIPTOR, rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
        const nobody = new Int32Array(new SharedArrayBuffer(4));
        Atomics.wait(nobody, 0, 0, FULL_PIPE_PAUSE_MS);
      }
    }
  },
};
