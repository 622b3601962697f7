/** The destination before the first row: its tables, and the month's partition. */
import type { Client } from "pg";
import { refuse } from "../finding";
import { migrate } from "./destination-schema";
import { ensurePartition, monthOf } from "./partitions";
import { checkChangesTable, readChangesTable } from "./preflight-changes";

/** @throws OperatorError when somebody altered the worker's tables. */
export async function prepareDestination(
  client: Client,
  options: { readonly indexValues: boolean },
): Promise<void> {
  await migrate(client, options);
  refuse(checkChangesTable(await readChangesTable(client)));
  await ensurePartition(client, monthOf(new Date()));
}
