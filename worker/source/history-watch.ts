/**
 * Whether the source's name still leads to the server that the stream comes
 * from, and that server still has what was stored. An open connection would
 * never tell: after a failover it may hang on to the former primary, and a
 * volume that was set back under a running trail looks like any other.
 */
import type { Watermark } from "../destination/watermark";
import { formatLsn, type Lsn } from "../lsn";
import type { SourceServer } from "./identify-source";

export const HISTORY_INTERVAL_MS = 60 * 60_000;

/** Looks until `signal`; `fail` is called at most once. */
export function watchHistory(
  parts: {
    /** Of a new connection, after a new look-up of the name. */
    readonly identify: () => Promise<SourceServer>;
    readonly watermark: Watermark;
    /** Durable at the destination by now. */
    readonly position: () => Lsn;
    /** Ends the session; the next one says what is wrong, or goes on. */
    readonly fail: (error: Error) => void;
    readonly intervalMs?: number;
  },
  signal: AbortSignal,
): void {
  const { identify, watermark, position, fail } = parts;
  const look = async (): Promise<void> => {
    // Before the server is asked: what was stored then, it has by then.
    const stored = position();
    const server = await identify().catch(() => undefined);
    // A server that cannot be reached now is the stream's to find out.
    if (!server || signal.aborted) return;
    const problem = historyProblem(watermark, stored, server);
    if (!problem) return;
    clearInterval(timer);
    fail(new Error(problem));
  };
  const timer = setInterval(
    () => void look(),
    parts.intervalMs ?? HISTORY_INTERVAL_MS,
  );
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** A sentence, or undefined when all is well. */
export function historyProblem(
  watermark: Pick<Watermark, "systemIdentifier" | "databaseOid" | "timeline">,
  stored: Lsn,
  server: SourceServer,
): string | undefined {
  if (
    server.systemIdentifier !== watermark.systemIdentifier ||
    server.databaseOid !== watermark.databaseOid ||
    server.timeline !== watermark.timeline
  ) {
    return "the source's name leads to another server now";
  }
  return server.flushLsn < stored
    ? `the source's log ends at ${formatLsn(server.flushLsn)}, before ${formatLsn(stored)}, which is stored`
    : undefined;
}
