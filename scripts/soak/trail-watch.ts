/** Looks at the destination from outside: how long the trail stood still. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Cluster } from "../cluster";
import type { StoredChange } from "./comparison";

const POLL_MS = 250;
const PAGE_ROWS = 10_000;

export class TrailWatch {
  /** Longest time without a transaction stored, while there were some to store. */
  longestOutageMs = 0;
  readonly #cluster: Cluster;
  readonly #database: string;
  #client: Client | undefined;

  constructor(cluster: Cluster, database: string) {
    this.#cluster = cluster;
    this.#database = database;
  }

  async run(signal: AbortSignal): Promise<void> {
    let last: string | undefined;
    let sinceMs = performance.now();
    while (!signal.aborted) {
      const now = await this.#watermark().catch(() => last);
      if (now !== last) sinceMs = performance.now();
      last = now;
      const outageMs = performance.now() - sinceMs;
      this.longestOutageMs = Math.max(this.longestOutageMs, outageMs);
      await sleep(POLL_MS);
    }
    await this.#client?.end();
  }

  async #watermark(): Promise<string | undefined> {
    try {
      this.#client ??= await this.#cluster.client(this.#database);
      const { rows } = await this.#client.query(
        "SELECT commit_lsn::text AS lsn FROM public._bemi_watermarks",
      );
      return rows[0]?.lsn;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }
}

/** Whether all of these markers are stored, by writer. */
export async function areStored(
  client: Client,
  markers: ReadonlyMap<string, number>,
): Promise<boolean> {
  for (const [writer, marker] of markers) {
    const { rowCount } = await client.query(
      `SELECT 1 FROM public.changes WHERE "table" = $1 AND primary_key = $2`,
      [`${writer}_commit`, String(marker)],
    );
    if (rowCount === 0) return false;
  }
  return true;
}

/** All changes in commit order, a page at a time. */
export async function* storedChanges(
  client: Client,
): AsyncGenerator<readonly StoredChange[]> {
  await client.query(
    `BEGIN; DECLARE stored CURSOR FOR
     SELECT id, "table", operation, primary_key AS "primaryKey", before, after, context
       FROM public.changes ORDER BY id`,
  );
  for (;;) {
    const { rows } = await client.query<StoredChange>(
      `FETCH ${PAGE_ROWS} FROM stored`,
    );
    if (rows.length === 0) break;
    yield rows;
  }
  await client.query("COMMIT");
}
