/** From a commit's return to the row being visible in `changes`. */
import { setTimeout as sleep } from "node:timers/promises";
import { runningWorker } from "./drain";
import type { Pair } from "./pair";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

const POLL_MS = 2;
const CLIENTS = 8;

export async function measureLatency(
  pair: Pair,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<Latency> {
  await using _worker = await runningWorker(pair.run("worker"));
  const committedAtMs = new Map<string, number>();
  const visibleAtMs = new Map<string, number>();
  const total = perSecond * seconds;
  const { source: cluster } = pair.clusters;
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => cluster.client(pair.database)),
  );

  const watch = async (): Promise<void> => {
    let last = "00000000-0000-0000-0000-000000000000";
    while (visibleAtMs.size < total) {
      const { rows } = await pair.destination.query(
        "SELECT id, primary_key FROM public.changes WHERE id > $1 ORDER BY id",
        [last],
      );
      const now = performance.now();
      for (const row of rows) visibleAtMs.set(row.primary_key, now);
      last = rows.at(-1)?.id ?? last;
      await sleep(POLL_MS);
    }
  };
  const write = async (
    client: (typeof clients)[number],
    first: number,
  ): Promise<void> => {
    const start = performance.now();
    for (let i = first; i < total; i += CLIENTS) {
      const due = start + (i * 1000) / perSecond;
      await sleep(Math.max(0, due - performance.now()));
      const { rows } = await client.query(
        "INSERT INTO orders (customer_id, status, total) VALUES ($1, 'new', 1) RETURNING id",
        [i],
      );
      committedAtMs.set(String(rows[0].id), performance.now());
    }
  };
  const start = performance.now();
  const watching = watch();
  await Promise.all(clients.map(write));
  const wrote = total / ((performance.now() - start) / 1000);
  await watching;
  await Promise.all(clients.map((client) => client.end()));
  const delays = [...committedAtMs]
    .map(([id, at]) => Math.max(0, (visibleAtMs.get(id) ?? Number.NaN) - at))
    .sort((a, b) => a - b);
  const at = (share: number) =>
    delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ??
    Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), perSecond: wrote };
}
