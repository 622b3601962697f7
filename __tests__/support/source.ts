/** A source to set up, and what the tests ask it. */
import type { Client } from "pg";
import pino from "pino";
import type { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { parseTablePatterns } from "../../worker/settings/tables";
import type { SetUpOptions } from "../../worker/source/set-up-steps";
import { setUpSource } from "../../worker/source/setup";

export const silent = pino({ level: "silent" });

export interface Source extends AsyncDisposable {
  readonly client: Client;
  readonly database: string;
  /** Another session in the same database, closed with the source. */
  session(config?: Parameters<Cluster["client"]>[1]): Promise<Client>;
}

let count = 0;

/** A database of its own, and a slot name that no other test has. */
export async function createSource(cluster: Cluster): Promise<Source> {
  count += 1;
  const database = `source_${process.pid}_${count}`;
  await cluster.createDatabase(database);
  const clients: Client[] = [];
  const session: Source["session"] = async (config) => {
    const client = await cluster.client(database, config);
    clients.push(client);
    return client;
  };
  return {
    client: await session(),
    database,
    session,
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end();
      await dropDatabase(cluster, database);
    },
  };
}

async function dropDatabase(cluster: Cluster, name: string): Promise<void> {
  const admin = await cluster.client();
  try {
    // The server may not have noticed yet that its reader is gone.
    await eventually("the slots are dropped", async () => {
      await admin.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}'`,
      );
      return true;
    });
    await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`);
  } finally {
    await admin.end();
  }
}

export function setUpOptions(
  source: Pick<Source, "database">,
  trackTables = "public.*",
): SetUpOptions {
  return {
    slotName: source.database,
    publicationName: "bemi",
    trackTables: parseTablePatterns(trackTables),
  };
}

/** Sets the source up as its administrator. */
export async function setUp(source: Source, trackTables?: string) {
  return setUpSource(source.client, setUpOptions(source, trackTables), silent);
}

/** Collects the warnings that the session gets from now on. */
export function warningsOf(client: Client): string[] {
  const warnings: string[] = [];
  client.on("notice", ({ severity, message }) => {
    if (severity === "WARNING") warnings.push(message ?? "");
  });
  return warnings;
}

/** relreplident by table, for the tables named. */
export async function identities(
  client: Client,
  ...names: string[]
): Promise<string[]> {
  const { rows } = await client.query<{ identity: string }>(
    "SELECT c.relreplident AS identity FROM unnest($1::text[]) WITH ORDINALITY n (name, place) JOIN pg_class c ON c.oid = n.name::regclass ORDER BY place",
    [names],
  );
  return rows.map((row) => row.identity);
}
