/** A stitcher for messages that a test makes, and the rows that come of them. */
import { Stitcher, type StitchOptions } from "../../worker/stream/stitch";
import { type CopyRow, readCopyRows } from "./copy-rows";
import * as wire from "./pgoutput-bytes";

export const OID = 3_000_000_000;
export const NOW_MS = Date.UTC(2024, 6, 4);
export const todo: wire.WireRelation = {
  oid: OID,
  columns: [{ name: "id", typeOid: 20 }, { name: "title" }],
};

export interface Policy {
  readonly tracked?: boolean;
  readonly primaryKey?: readonly string[];
  readonly ignored?: readonly string[];
}

export function stitcher(
  policy: Policy = {},
  options: Partial<StitchOptions> = {},
) {
  const { tracked = true, primaryKey = ["id"], ignored = [] } = policy;
  return new Stitcher({
    policy: {
      database: "app",
      describe: async () => ({
        tracked,
        primaryKey,
        ignores: (column) => ignored.includes(column),
      }),
      tracksDdlOf: () => tracked,
    },
    identity: 5,
    watermark: 0n,
    maxValueBytes: 1_000,
    nowMs: () => NOW_MS,
    ...options,
  });
}

/** The rows of one transaction, announced relation included. */
export async function rowsOf(
  changes: readonly Buffer[],
  {
    relation = todo,
    ...policy
  }: Policy & { relation?: wire.WireRelation } = {},
): Promise<CopyRow[]> {
  const reader = stitcher(policy);
  await reader.read(
    wire.block(
      wire.begin({ commitLsn: 100n }),
      wire.relation(relation),
      ...changes,
      wire.commit(100n),
    ),
  );
  return readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0));
}

export async function onlyRow(
  ...args: Parameters<typeof rowsOf>
): Promise<CopyRow> {
  const rows = await rowsOf(...args);
  expect(rows).toHaveLength(1);
  return rows[0] as CopyRow;
}
