/**
 * Gives the window of a channel back as soon as a small piece has come. OpenSSH's
 * server sets TCP_NODELAY with a session, and a tunnel has none: what it sends
 * next would wait until our kernel acknowledges the last, up to 40 ms. A packet
 * of ours takes the acknowledgement with it.
 */
import type { Duplex } from "node:stream";

/** Larger ones follow each other, and need no help. */
const SMALL_BYTES = 16 * 1024;

const { windowAdjust }: { windowAdjust(channel: Duplex): void } =
  require("ssh2/lib/Channel.js");

/** To be called for each piece; what waits unread keeps its window. */
export function returnWindow(channel: Duplex, piece: Buffer): void {
  if (piece.length >= SMALL_BYTES || channel.readableLength > 0) return;
  windowAdjust(channel);
}
