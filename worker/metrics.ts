/** The worker's figures, and their text for Prometheus. */
import { Counter, Gauge, Registry } from "prom-client";
import { isBlocked, type Judgement } from "./condition";
import type { Status } from "./status";

export interface Figure {
  readonly name: string;
  /** In CloudWatch; the alarms of the worker's stack are on these. */
  readonly emfName: string;
  readonly unit: "Count" | "Bytes" | "Bytes/Second" | "Seconds" | "None";
  readonly help: string;
  readonly read: (status: Status) => number | undefined;
}

export const FIGURES: readonly Figure[] = [
  {
    name: "bemi_worker_streaming",
    emfName: "Streaming",
    unit: "None",
    help: "1 while the worker streams from the source",
    read: (status) => (status.state === "streaming" ? 1 : 0),
  },
  {
    name: "bemi_worker_changes_total",
    emfName: "Changes",
    unit: "Count",
    help: "Changes rendered since the process began",
    read: (status) => status.counters.changes,
  },
  {
    name: "bemi_worker_transactions_total",
    emfName: "Transactions",
    unit: "Count",
    help: "Source transactions read since the process began",
    read: (status) => status.counters.transactions,
  },
  {
    name: "bemi_worker_filtered_changes_total",
    emfName: "FilteredChanges",
    unit: "Count",
    help: "Changes left out by TRACK_TABLES and IGNORE_COLUMNS, and the worker's own",
    read: (status) => status.counters.filtered,
  },
  {
    name: "bemi_worker_replayed_transactions_total",
    emfName: "ReplayedTransactions",
    unit: "Count",
    help: "Transactions that were sent again and were stored already",
    read: (status) => status.counters.replayed,
  },
  {
    name: "bemi_worker_invalid_contexts_total",
    emfName: "InvalidContexts",
    unit: "Count",
    help: "Context messages that were not a storable JSON object",
    read: (status) => status.counters.invalidContexts,
  },
  {
    name: "bemi_worker_schema_changes_total",
    emfName: "SchemaChanges",
    unit: "Count",
    help: "Marks of DDL since the process began",
    read: (status) => status.counters.schemaChanges,
  },
  {
    name: "bemi_worker_invalid_marks_total",
    emfName: "InvalidMarks",
    unit: "Count",
    help: "Messages with the prefix of DDL marks that were none",
    read: (status) => status.counters.invalidMarks,
  },
  {
    name: "bemi_worker_unbound_messages_total",
    emfName: "UnboundMessages",
    unit: "Count",
    help: "Non-transactional context messages, which belong to no change",
    read: (status) => status.counters.unboundMessages,
  },
  {
    name: "bemi_worker_key_lookup_failures_total",
    emfName: "KeyLookupFailures",
    unit: "Count",
    help: "Primary keys that could not be looked up in the catalogue",
    read: (status) => status.keyLookupFailures,
  },
  {
    name: "bemi_worker_reduced_rows_total",
    emfName: "ReducedRows",
    unit: "Count",
    help: "Changes stored without their values because the destination refused them",
    read: (status) => status.reducedRows,
  },
  {
    name: "bemi_worker_waiting_bytes",
    emfName: "WaitingBytes",
    unit: "Bytes",
    help: "Frames received and not read yet",
    read: (status) => status.waitingBytes(),
  },
  {
    name: "bemi_worker_blocked_seconds",
    emfName: "Blocked",
    unit: "Seconds",
    help: "Since a dependency, or the worker itself, keeps the stream from getting on; 0 while it does",
    read: ({ judgement }) => judgement && blockedSeconds(judgement),
  },
  {
    name: "bemi_worker_lag_seconds",
    emfName: "Lag",
    unit: "Seconds",
    help: "From a commit at the source until it is stored, as a heartbeat every 30 s measures it",
    read: ({ state, heartbeats }) =>
      state === "streaming" ? heartbeats.lagSeconds : undefined,
  },
  {
    name: "bemi_worker_heartbeat_age_seconds",
    emfName: "HeartbeatAge",
    unit: "Seconds",
    help: "Since a heartbeat last came back with everything before it stored",
    read: (status) => status.heartbeats.ageSeconds,
  },
  {
    name: "bemi_worker_heartbeat_failures_total",
    emfName: "HeartbeatFailures",
    unit: "Count",
    help: "Heartbeats that could not be written to the source's log",
    read: (status) => status.heartbeats.failures,
  },
  {
    name: "bemi_slot_lag_bytes",
    emfName: "SlotLag",
    unit: "Bytes",
    help: "Log written at the source since the confirmed position",
    read: (status) => status.slot?.lagBytes,
  },
  {
    name: "bemi_slot_retained_bytes",
    emfName: "SlotRetained",
    unit: "Bytes",
    help: "Log that the source keeps for the slot",
    read: (status) => status.slot?.retainedBytes,
  },
  {
    name: "bemi_slot_safe_bytes",
    emfName: "SlotSafe",
    unit: "Bytes",
    help: "Log that may still be written before the slot is lost",
    read: (status) => status.slot?.safeBytes,
  },
  {
    name: "bemi_slot_growth_bytes_per_second",
    emfName: "SlotGrowth",
    unit: "Bytes/Second",
    help: "How fast the log that the source keeps for the slot grew in the last five minutes",
    read: (status) => status.slot?.growthBytesPerSecond,
  },
  {
    name: "bemi_slot_exhaustion_seconds",
    emfName: "SlotExhaustion",
    unit: "Seconds",
    help: "Until the slot is lost if it goes on growing like that",
    read: (status) => status.slot?.secondsLeft,
  },
];

function blockedSeconds({ condition, sinceMs }: Judgement): number {
  if (!isBlocked(condition)) return 0;
  return Math.round(performance.now() - sinceMs) / 1000;
}

/** Text for `GET /metrics`. */
export function prometheusMetrics(
  status: Status,
  slotName: string,
): () => Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ slot: slotName });
  for (const { name, help, read } of FIGURES) {
    const configuration = { name, help, registers: [registry] };
    if (name.endsWith("_total")) {
      new Counter({
        ...configuration,
        collect() {
          this.reset();
          this.inc(read(status) ?? 0);
        },
      });
      continue;
    }
    new Gauge({
      ...configuration,
      collect() {
        const value = read(status);
        // Gone rather than 0: what is not known must not look like calm.
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }
  return () => registry.metrics();
}
