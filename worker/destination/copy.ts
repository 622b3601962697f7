/** One COPY of finished rows into `changes`. */
import type { Client } from "pg";
import { type CopyStreamQuery, from as copyFrom } from "pg-copy-streams";
import { OperatorError } from "../errors";
import { COPY_COLUMNS, COPY_HEADER, COPY_TRAILER } from "../row/change-row";

const COPY = `COPY public.changes (${COPY_COLUMNS.join(", ")}) FROM STDIN (FORMAT binary)`;

/**
 * Rows go in messages of this size: the server counts whole ones, by which a
 * slow line is told from a dead one (network/watchdog.ts), and takes none of
 * 1 GB, which one row can be.
 */
const MESSAGE_BYTES = 64 * 1024;

/**
 * Resolves when the rows are stored, in the transaction that is open. `before`
 * is SQL that goes in the same round trip.
 */
export async function copyRows(
  client: Client,
  rows: { readonly bytes: Buffer; readonly count: number },
  before = "",
): Promise<void> {
  const stream = client.query(copyFrom(before + COPY));
  const failed = new Promise<never>((_, reject) => {
    stream.on("error", reject);
  });
  // Also when nobody waits for it at that moment.
  failed.catch(() => undefined);
  stream.write(COPY_HEADER);
  // Each is waited for: when the server refuses a row, the library must not
  // have anything left, which it would send without a connection, or into the
  // next statement.
  for (let at = 0; at < rows.bytes.length; at += MESSAGE_BYTES) {
    const message = rows.bytes.subarray(at, at + MESSAGE_BYTES);
    await Promise.race([failed, send(stream, message)]);
  }
  await Promise.race([failed, end(stream)]);
  if (stream.rowCount === rows.count) return;
  throw new OperatorError(
    `COPY stored ${stream.rowCount} rows of ${rows.count}: a trigger or rule on public.changes drops rows`,
    "drop it (psql at the destination: \\d+ public.changes), then start the worker again; nothing is lost",
  );
}

/** Hands bytes to the COPY and waits until the socket took them. */
function send(stream: CopyStreamQuery, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function end(stream: CopyStreamQuery): Promise<void> {
  return new Promise((resolve) => {
    stream.end(COPY_TRAILER, () => resolve());
  });
}
