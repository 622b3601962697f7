/**
 * Ends a connection on which nothing comes any more. For one on which something
 * is asked, and therefore comes, at every tick.
 */
import type { Socket } from "node:net";

/**
 * Ticks are counted, not time: after a process was frozen, its timers run before
 * it reads what has arrived meanwhile.
 */
export function endWhenSilent(
  socket: Socket,
  {
    tickMs,
    silentTicks,
  }: { readonly tickMs: number; readonly silentTicks: number },
): void {
  let bytes = socket.bytesRead;
  let silent = 0;
  const timer = setInterval(() => {
    silent = socket.bytesRead === bytes ? silent + 1 : 0;
    bytes = socket.bytesRead;
    if (silent < silentTicks) return;
    const seconds = Math.round((silent * tickMs) / 1000);
    socket.destroy(new Error(`nothing came for ${seconds} s`));
  }, tickMs);
  socket.once("close", () => clearInterval(timer));
}
