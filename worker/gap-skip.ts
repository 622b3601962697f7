/**
 * `gap --to`: leaves out changes that the source still has, because it cannot
 * give them (a transaction that it cannot decode would stop the trail for ever).
 * The one place that moves a slot ahead of the trail, and only with a record of
 * it.
 */
import type { Client } from "pg";
import { recordGap, type Watermark } from "./destination/watermark";
import { ConfigurationError, OperatorError } from "./errors";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import type { SourceServer } from "./source/identify-source";
import type { SlotFacts } from "./source/source-facts";
import { countUndelivered } from "./source/undelivered";
import { errorCode } from "./sql-state";

/** Decoding what is left out is for the record, and may itself be impossible. */
const COUNT_TIMEOUT_MS = 30_000;

export interface Skip {
  readonly to: Lsn;
  readonly reason: string | undefined;
  /** Without it, only what would be done is said. */
  readonly yes: boolean;
}

export async function skipTo(
  { to, reason, yes }: Skip,
  parts: {
    readonly client: Client;
    readonly destination: Client;
    readonly watermark: Watermark;
    /** The trail has everything up to here. */
    readonly position: Lsn;
    readonly server: SourceServer;
    readonly slot: SlotFacts | undefined;
    readonly publicationName: string;
    readonly log: Log;
  },
): Promise<void> {
  const { client, destination, watermark, position, server, log } = parts;
  const problem = problemOf(to, parts);
  if (problem) throw new ConfigurationError([problem]);
  if (parts.slot?.active) {
    throw new OperatorError(
      `slot "${server.slotName}" is in use by pid ${parts.slot.activePid}`,
      "stop the worker, and run the command again",
    );
  }
  const from = formatLsn(position);
  const what = await describeSkipped(to, parts);
  if (!yes || !reason) {
    throw new OperatorError(
      `every transaction that was committed between ${from} and ${formatLsn(to)} would be left out of the trail: ${what}`,
      `to leave them out and note the gap: gap --to ${formatLsn(to)} --reason "what happened" --yes`,
    );
  }
  const { rows } = await client.query<{ lsn: string }>(
    "SELECT end_lsn::text AS lsn FROM pg_catalog.pg_replication_slot_advance($1, $2)",
    [server.slotName, formatLsn(to)],
  );
  // First the slot, then the record: a slot that is ahead of the trail stops
  // the worker, a record of a gap that is none would not.
  const reached = parseLsn(rows[0]?.lsn ?? "");
  const { timeline } = server;
  await recordGap(destination, watermark, {
    from: position,
    to: reached,
    timeline,
    reason,
  });
  log.warn(
    { from, to: formatLsn(reached), reason, leftOut: what },
    "skipped, and gap recorded; start the worker",
  );
}

/** Why the trail cannot go there, as a sentence. */
export function problemOf(
  to: Lsn,
  {
    position,
    server,
    slot,
  }: {
    readonly position: Lsn;
    readonly server: Pick<SourceServer, "flushLsn" | "slotName">;
    readonly slot:
      | Pick<SlotFacts, "confirmedFlushLsn" | "walStatus">
      | undefined;
  },
): string | undefined {
  if (!slot?.confirmedFlushLsn || slot.walStatus === "lost") {
    return `--to: slot "${server.slotName}" is gone or lost, and the trail can only go on where a new one begins; leave --to out`;
  }
  const stands = parseLsn(slot.confirmedFlushLsn);
  const least = stands > position ? stands : position;
  if (to <= least) {
    return `--to: ${formatLsn(to)} is not after ${formatLsn(least)}, where the trail stands; there is nothing to leave out`;
  }
  return to > server.flushLsn
    ? `--to: ${formatLsn(to)} is not written yet; the source's log ends at ${formatLsn(server.flushLsn)}`
    : undefined;
}

/** How much is left out, where the source can tell. */
async function describeSkipped(
  to: Lsn,
  { client, server, watermark, publicationName }: Parameters<typeof skipTo>[1],
): Promise<string> {
  try {
    const { transactions, changes } = await countUndelivered(client, {
      slotName: server.slotName,
      publicationName,
      after: watermark.commitLsn,
      upTo: to,
      timeoutMs: COUNT_TIMEOUT_MS,
    });
    // Among them what is not tracked, and the worker's own.
    return `at most ${transactions} transactions with ${changes} changes`;
  } catch (error) {
    return `how many cannot be told (${errorCode(error) ?? "the connection was lost"})`;
  }
}
