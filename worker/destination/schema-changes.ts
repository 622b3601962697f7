/**
 * Rows of `_bemi_schema_changes`: few, and in the transaction of the changes
 * around them, so that each is stored exactly once.
 */
import type { Client } from "pg";
import { OperatorError } from "../errors";
import { formatLsn } from "../lsn";
import type { Batch, LateContext, SchemaChange } from "../stream/batch";
import { isRefusal } from "./refusal";
import { IDENTITY_OF_ID } from "./slot-identity";

/** In the transaction that is open. */
export async function storeSchemaChanges(
  client: Client,
  database: string,
  { lateContext, schemaChanges }: Batch,
): Promise<void> {
  try {
    if (schemaChanges) await insert(client, database, schemaChanges);
    if (lateContext) await giveContext(client, lateContext);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    // Not a row's fault: what is stored was looked at, whoever sent it.
    throw new OperatorError(
      `public._bemi_schema_changes refuses a mark of a DDL: SQLSTATE ${error.code}`,
      "see at the destination what it has that the worker did not make (psql: \\d+ public._bemi_schema_changes), correct it, then start the worker again; nothing is lost",
      { cause: error },
    );
  }
}

async function insert(
  client: Client,
  database: string,
  changes: readonly SchemaChange[],
): Promise<void> {
  const column = (of: (change: SchemaChange) => unknown) => changes.map(of);
  await client.query(
    `INSERT INTO public._bemi_schema_changes
       (id, position, database, schema, "table", command, details, context, committed_at, transaction_id)
     SELECT id, position - '0/0'::pg_lsn, $1, schema, "table", command, details, context,
            timestamptz '2000-01-01 00:00:00+00' + seconds * interval '1 second' + micros * interval '1 microsecond',
            transaction_id
       FROM unnest($2::uuid[], $3::pg_lsn[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[], $9::bigint[], $10::int[], $11::bigint[])
         AS change (id, position, schema, "table", command, details, context, seconds, micros, transaction_id)`,
    [
      database,
      column(({ id }) => id),
      column(({ position }) => formatLsn(position)),
      column(({ schema }) => schema ?? null),
      column(({ table }) => table ?? null),
      column(({ command }) => command),
      column(({ details }) => details.toString("utf8")),
      column(({ context }) => context.toString("utf8")),
      // In two parts: the server multiplies as floating-point numbers.
      column(({ committedAtMicros }) => String(committedAtMicros / 1_000_000n)),
      column(({ committedAtMicros }) => String(committedAtMicros % 1_000_000n)),
      column(({ transactionId }) => String(transactionId)),
    ],
  );
}

async function giveContext(client: Client, late: LateContext): Promise<void> {
  const { firstId, lastSchemaChangeId, identity, position, context } = late;
  await client.query(
    `UPDATE public._bemi_schema_changes SET context = $4
      WHERE id BETWEEN $1 AND $2 AND ${IDENTITY_OF_ID} = $3
        AND position < $5::pg_lsn - '0/0'`,
    [
      firstId,
      lastSchemaChangeId,
      identity,
      context.toString("utf8"),
      formatLsn(position),
    ],
  );
}
