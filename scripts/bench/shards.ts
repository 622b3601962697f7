/**
 * One source in two groups of tables: one worker for both against two, each
 * with a slot and a publication of its own, into one `changes`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Releases } from "../../worker/releases";
import { BACKLOG_CHANGES, createOrders, writeBacklog } from "./backlog";
import { drainWithWorker, emptyChanges, runningWorker } from "./drain";
import { Pair } from "./pair";

const TABLES = ["left_orders", "right_orders"] as const;

/** Changes a second, of one worker and of two. */
export async function measureShards(
  clusters: Pair["clusters"],
): Promise<{ readonly one: number; readonly two: number }> {
  await using pair = await Pair.create(clusters);
  for (const table of TABLES) await createOrders(pair.source, table);
  const one = [shard(pair, "one", TABLES)];
  const two = TABLES.map((table) => shard(pair, table, [table]));
  for (const { env } of [...one, ...two]) {
    await drainWithWorker({ env }, async () => true);
  }
  for (const table of TABLES) {
    await writeBacklog(pair.source, { table, share: 1 / TABLES.length });
  }
  const { rows } = await pair.source.query<{ lsn: string }>(
    "SELECT pg_current_wal_insert_lsn()::text AS lsn",
  );
  // Each group gets a last transaction, so that every shard can pass the end.
  for (const table of TABLES) {
    await pair.source.query(
      `INSERT INTO ${table} (customer_id, status, total) VALUES (0, 'end', 0)`,
    );
  }
  const end = String(rows[0]?.lsn);
  return {
    one: BACKLOG_CHANGES / (await drain(pair, one, end)),
    two: BACKLOG_CHANGES / (await drain(pair, two, end)),
  };
}

interface Shard {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

function shard(pair: Pair, name: string, tables: readonly string[]): Shard {
  const env = pair.env(name, {
    PUBLICATION_NAME: name,
    TRACK_TABLES: tables.map((table) => `public.${table}`).join(","),
  });
  return { name, env };
}

/** Seconds until all of them have stored everything before `end`. */
async function drain(
  pair: Pair,
  shards: readonly Shard[],
  end: string,
): Promise<number> {
  await emptyChanges(pair.destination);
  await using workers = new Releases();
  const start = performance.now();
  for (const { env } of shards) workers.use(await runningWorker({ env }));
  for (const { name } of shards) {
    while (!(await pair.stored(end, name))) await sleep(5);
  }
  return (performance.now() - start) / 1000;
}
