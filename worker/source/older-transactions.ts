/**
 * Waits until every transaction that has written by now is over. What it made
 * is visible afterwards, and it cannot have missed anything set up before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientBase } from "pg";
import { OperatorError } from "../errors";
import { describeBlockers } from "./blockers";

const pollMs = 100;

export async function untilOlderTransactionsEnd(
  client: ClientBase,
  timeoutMs = 10_000,
): Promise<void> {
  const { rows } = await client.query<{ limit: string }>(
    `SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS limit`,
  );
  const limit = BigInt(rows[0]?.limit ?? 0);
  const deadline = performance.now() + timeoutMs;
  while (!(await haveEnded(client, limit))) {
    if (performance.now() > deadline) {
      const who = await describeBlockers(client, []);
      throw new OperatorError(
        `the source cannot be set up while a transaction that has written stays open: waited ${timeoutMs / 1000} s in vain for ${who}`,
        "let it end, or end it with SELECT pg_terminate_backend(<pid>) (a prepared one with ROLLBACK PREPARED), and start again; what is set up already stays",
      );
    }
    await sleep(pollMs);
  }
}

async function haveEnded(client: ClientBase, limit: bigint): Promise<boolean> {
  const { rows } = await client.query<{ ended: boolean }>(
    `SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) >= '${limit}'::xid8 AS ended`,
  );
  return rows[0]?.ended === true;
}
