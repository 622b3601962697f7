/**
 * Positions in the write-ahead log. PostgreSQL writes them as two hexadecimal
 * halves ("16/B374D848"), padded or not; comparing those texts is wrong,
 * so a position is a number from the edge inwards.
 */

/** A byte position in the source's write-ahead log. */
export type Lsn = bigint;

/** Reads PostgreSQL's text form. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) throw new Error(`not an LSN: got ${JSON.stringify(text)}`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** PostgreSQL's text form, as `pg_lsn` prints it. */
export function formatLsn(lsn: Lsn): string {
  const high = (lsn >> 32n).toString(16).toUpperCase();
  const low = (lsn & 0xffffffffn).toString(16).toUpperCase();
  return `${high}/${low}`;
}
