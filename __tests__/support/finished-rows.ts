/** Rows of `changes` in COPY's binary format, made without a source. */
import { ByteWriter } from "../../worker/row/byte-writer";
import {
  EMPTY_JSON_FIELD,
  idStart,
  jsonField,
  textField,
  transactionFields,
  writeRowStart,
} from "../../worker/row/change-row";

const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

export interface FinishedRow {
  readonly key: string;
  /** JSON text. */
  readonly after?: string;
  readonly context?: string;
}

/** A CREATE of table `public.item` each, numbered from `firstOrdinal`. */
export function finishedRows(
  rows: readonly FinishedRow[],
  of: {
    readonly commitLsn: bigint;
    readonly identity?: number;
    /** @default 1 */
    readonly firstOrdinal?: number;
    /** @default now */
    readonly committedAt?: Date;
  },
): Buffer {
  const { commitLsn, identity = 7, firstOrdinal = 1 } = of;
  const committedAtMs = (of.committedAt ?? new Date()).getTime();
  const micros = BigInt(committedAtMs - POSTGRES_EPOCH_MS) * 1000n;
  const block = Buffer.alloc(8);
  block.writeBigUInt64BE(commitLsn);
  const out = new ByteWriter(1024);
  rows.forEach(({ key, after = "{}", context = "{}" }, index) => {
    writeRowStart(out, {
      idStart: idStart(commitLsn),
      transactionFields: transactionFields(micros, micros, 1),
      ordinal: firstOrdinal + index,
      identity,
      block,
      lsnAt: 0,
      tableFields: Buffer.concat(["shop", "public", "item"].map(textField)),
      operation: "CREATE",
    });
    out.bytes(textField(key));
    out.bytes(EMPTY_JSON_FIELD);
    out.bytes(jsonField(Buffer.from(after)));
    out.bytes(jsonField(Buffer.from(context)));
  });
  return out.buffer.subarray(0, out.length);
}
