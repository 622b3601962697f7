/**
 * How much log the source keeps for this worker, and for how long that can go
 * on: the one number that decides whether an audit trail endangers the database
 * it audits.
 */

import { ConfigurationError } from "../errors";
import { describeError, type Log } from "../log";
import type { SlotStatus, Status } from "../status";
import type { Catalog } from "./catalog";
import { SlotTrend } from "./slot-trend";

const POLL_MS = 10_000;
const PROGRESS_MS = 60_000;
/** Failed log-ins lock accounts, so they are repeated slowly. */
const MAX_LOGIN_DELAY_MS = 15 * 60_000;

/**
 * Polls until `signal`; failures are logged and tried again. The stream goes on
 * without this connection, also while nobody can log in any more.
 */
export function monitorSlot(
  parts: {
    readonly catalog: Catalog;
    readonly slotName: string;
    readonly status: Status;
    readonly log: Log;
  },
  signal: AbortSignal,
): void {
  const { catalog, slotName, status, log } = parts;
  let reported = { atMs: Date.now(), changes: status.counters.changes };
  let level: WalLevel = "ok";
  const trend = new SlotTrend();
  let failures = 0;
  let delayMs = POLL_MS;

  const poll = async (): Promise<void> => {
    try {
      const slot = await readSlot(catalog, slotName);
      if (signal.aborted) return;
      status.slot = slot && {
        ...slot,
        ...exhaustion(slot, trend.add(performance.now(), slot.retainedBytes)),
      };
      failures = 0;
      delayMs = POLL_MS;
    } catch (error) {
      if (signal.aborted) return;
      // What is not known is not said: an old figure would look calm.
      status.slot = undefined;
      if (error instanceof ConfigurationError) {
        delayMs = Math.min(delayMs * 2, MAX_LOGIN_DELAY_MS);
      }
      failures++;
      // The first time it may be the end of a session, which is said elsewhere.
      log[failures === 2 ? "warn" : "debug"](
        { error: describeError(error), retryInMs: delayMs },
        "slot not read",
      );
      return;
    }
    if (!status.slot) return;
    const now = walLevel(status.slot);
    if (now !== level) log.warn({ ...slotFields(status.slot) }, WARNINGS[now]);
    level = now;
    const elapsedMs = Date.now() - reported.atMs;
    if (elapsedMs < PROGRESS_MS) return;
    const { changes } = status.counters;
    log.info(
      {
        ...slotFields(status.slot),
        changesPerSecond: Math.round(
          ((changes - reported.changes) * 1000) / elapsedMs,
        ),
      },
      "progress",
    );
    reported = { atMs: Date.now(), changes };
  };

  let timer: NodeJS.Timeout | undefined;
  const repeat = async (): Promise<void> => {
    await poll();
    if (!signal.aborted) timer = setTimeout(() => void repeat(), delayMs);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  void repeat();
}

/** When the log that may still be written is used up, at the present growth. */
export function exhaustion(
  { safeBytes }: Pick<SlotStatus, "safeBytes">,
  growthBytesPerSecond: number | undefined,
): Pick<SlotStatus, "growthBytesPerSecond" | "secondsLeft"> {
  if (growthBytesPerSecond === undefined) return {};
  if (safeBytes === undefined || growthBytesPerSecond === 0) {
    return { growthBytesPerSecond };
  }
  const secondsLeft = Math.round(Math.max(0, safeBytes) / growthBytesPerSecond);
  return { growthBytesPerSecond, secondsLeft };
}

type WalLevel = "ok" | "half" | "critical";

const WARNINGS: Readonly<Record<WalLevel, string>> = {
  ok: "the slot has enough log left again",
  half: "half of the log that the source may keep for this slot is used: if the worker cannot catch up, raise max_slot_wal_keep_size",
  critical:
    "80 % of the log that the source may keep for this slot is used: the slot will be lost, and changes with it, unless the worker catches up or max_slot_wal_keep_size is raised",
};

/** How near the slot is to being lost. */
export function walLevel(slot: SlotStatus): WalLevel {
  // "unreserved": the limit is passed, and the next checkpoint may remove it.
  if (["unreserved", "lost"].includes(slot.walStatus)) return "critical";
  if (slot.safeBytes === undefined) return "ok";
  if (slot.safeBytes <= 0) return "critical";
  const used = slot.retainedBytes / (slot.retainedBytes + slot.safeBytes);
  if (used >= 0.8) return "critical";
  return used >= 0.5 ? "half" : "ok";
}

async function readSlot(
  catalog: Catalog,
  slotName: string,
): Promise<SlotStatus | undefined> {
  const [row] = await catalog.query<Record<string, string | null>>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text AS lag,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS retained,
            safe_wal_size::text AS safe, wal_status, sent_lsn::text AS sent
       FROM pg_replication_slots LEFT JOIN pg_stat_replication ON pid = active_pid
      WHERE slot_name = '${slotName}'`,
  );
  if (!row) return undefined;
  return {
    lagBytes: Math.max(0, Number(row.lag ?? 0)),
    retainedBytes: Math.max(0, Number(row.retained ?? 0)),
    safeBytes: row.safe === null ? undefined : Number(row.safe),
    walStatus: row.wal_status ?? "unknown",
    ...(row.sent ? { sentLsn: row.sent } : {}),
    at: new Date(),
  };
}

function slotFields(slot: SlotStatus): Record<string, unknown> {
  const { sentLsn, at, ...fields } = slot;
  return fields;
}
