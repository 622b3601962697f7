/** What the migration of the MikroORM package made, and what it writes to the log. */
import type { Client } from "pg";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import type { Cluster } from "../../scripts/cluster";
import { serverMajor } from "./majors";
import { createSource, type Source } from "./source";

/** Its arguments are others from 17 on. */
export const EMIT = `pg_logical_emit_message(boolean, text, text${serverMajor >= 17 ? ", boolean" : ""})`;

/** Tables with the trigger, as SQL writes their names. */
export async function withTrigger(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name
       FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
       JOIN pg_namespace n ON n.oid = relnamespace
      WHERE tgname = '_bemi_stmt_trigger' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** Everything called _bemi or in the schema of that name, and rights on it. */
export async function traces(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT 'schema ' || coalesce(nspacl::text, '') AS name FROM pg_namespace WHERE nspname = '_bemi'
     UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = to_regnamespace('_bemi')
     UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
     UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%bemi%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** What a slot sees of the writes: types of messages (M, I, U, D, T) and texts. */
export async function logOf(
  { client, database }: Source,
  write: () => Promise<unknown>,
): Promise<{ types: string; contexts: string[] }> {
  await client.query(
    `SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`,
  );
  await write();
  const { rows } = await client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_get_binary_changes('${database}', NULL, NULL,
       'proto_version', '1', 'publication_names', 'everything', 'messages', 'true')`,
  );
  await client.query(`SELECT pg_drop_replication_slot('${database}')`);
  const messages = rows.map(({ data }) => ({
    type: String.fromCharCode(data[0] ?? 0),
    data,
  }));
  return {
    types: messages
      .map(({ type }) => type)
      .filter((type) => "MIUDT".includes(type))
      .join(""),
    contexts: messages
      .filter(({ type }) => type === "M")
      .map(({ data }) => contentOf(data)),
  };
}

/** Behind type, flags, position, prefix and length; a position can have any byte. */
function contentOf(message: Buffer): string {
  const prefixEnd = message.indexOf(0, 1 + 1 + 8);
  return message.subarray(prefixEnd + 1 + 4).toString();
}

/** A comment as packages write it. */
export const by = (who: string) => `/*Bemi {"by":"${who}"} Bemi*/`;

/** A source with the migration's triggers, and all of it published. */
export async function trackedSource(
  cluster: Cluster,
  tables: string,
): Promise<Source> {
  const source = await createSource(cluster);
  await source.client.query(
    `${tables}; CREATE PUBLICATION everything FOR ALL TABLES`,
  );
  await source.client.query(bemiUpSql());
  return source;
}
