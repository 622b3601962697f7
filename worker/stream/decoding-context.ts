/**
 * Where the server's decoding was when it failed, out of an error's context:
 *
 *     slot "bemi", output plugin "pgoutput", in the change callback, associated LSN 0/1FBD9B0
 *
 * The server's lc_messages translates it, and only a superuser may set that for
 * a session. What stays in every language is the plugin's name, then the
 * callback's and the position.
 */
import type { DatabaseError } from "pg";

export function decodingContext({ where = "" }: DatabaseError): {
  /** Whether it was a row that could not be decoded or sent. */
  readonly inChange: boolean;
  /** As in 0/1FBD9B0. */
  readonly lsn: string | undefined;
} {
  // Not the slot's name before it, which an operator chose.
  const said = where.slice(where.indexOf("pgoutput"));
  return {
    inChange: /\bchange\b/.test(said),
    lsn: /[\dA-F]+\/[\dA-F]+/.exec(said)?.[0],
  };
}
