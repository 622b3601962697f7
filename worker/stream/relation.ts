/**
 * A table as the stream described it when the rows were written. Only this
 * description decodes them: today's catalogue may show other columns.
 */
import { textField } from "../row/change-row";
import { type ValueType, valueType, valueTypeNamed } from "../row/value-types";
import type { MarkedObject } from "./ddl-mark";
import {
  type RelationMessage,
  type TypeMessage,
  UnreadableMessageError,
} from "./pgoutput";

/** What the worker's configuration and the catalogue say about a table. */
export interface TablePolicy {
  readonly database: string;
  readonly describe: (
    message: RelationMessage,
    /** Whose rows follow. */
    transactionId: number | undefined,
  ) => Promise<{
    /** False: its changes are counted and dropped. */
    readonly tracked: boolean;
    /**
     * Names of the primary key's columns in key order; undefined when the
     * catalogue does not know the table or could not be asked.
     */
    readonly primaryKey: readonly string[] | undefined;
    /** @default false */
    readonly partitioned?: boolean;
    readonly ignores: (column: string) => boolean;
  }>;
  /** False: a mark of a DDL is dropped. */
  readonly tracksDdlOf: (object: MarkedObject) => boolean;
}

export interface Column {
  /** `"name":` as JSON, ready to be copied. */
  readonly jsonKey: Buffer;
  readonly type: ValueType;
  readonly inIdentity: boolean;
  /** A change of this column alone does not make a row in the trail. */
  readonly ignored: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly tracked: boolean;
  readonly columns: readonly Column[];
  readonly hasIgnoredColumns: boolean;
  /**
   * A partitioned table, named by a publication via the root. It says its own
   * replica identity, but the old rows are the partitions': of one with another
   * identity all columns but the key's read null without being null.
   */
  readonly partitioned: boolean;
  /** Indexes of the primary key's columns, in key order; empty: none. */
  readonly key: readonly number[];
  /** database, schema and table as fields of a row. */
  readonly fields: Buffer;
}

/** The tables of a session, each as the stream described it last. */
export class Relations {
  readonly #policy: TablePolicy;
  readonly #byOid = new Map<number, Relation>();
  readonly #types = new Map<number, ValueType>();

  constructor(policy: TablePolicy) {
    this.#policy = policy;
  }

  /** Comes before each relation that has a column of the type. */
  announceType(message: TypeMessage): void {
    this.#types.set(message.oid, valueTypeNamed(message));
  }

  async announce(
    message: RelationMessage,
    transactionId: number | undefined,
  ): Promise<void> {
    const relation = await describeRelation(
      message,
      transactionId,
      this.#policy,
      this.#types,
    );
    this.#byOid.set(relation.oid, relation);
  }

  /** @throws UnreadableMessageError: the stream describes before it uses. */
  of(oid: number): Relation {
    const relation = this.#byOid.get(oid);
    if (relation) return relation;
    throw new UnreadableMessageError(`row of an unannounced relation ${oid}`);
  }
}

/** Joins what the stream, the configuration and the catalogue know. */
async function describeRelation(
  message: RelationMessage,
  transactionId: number | undefined,
  policy: TablePolicy,
  announcedTypes: ReadonlyMap<number, ValueType>,
): Promise<Relation> {
  const { oid, schema, table, columns } = message;
  const described = await policy.describe(message, transactionId);
  const { tracked, primaryKey, partitioned = false, ignores } = described;
  const ignored = columns.map(({ name }) => tracked && ignores(name));
  return {
    oid,
    tracked,
    columns: columns.map((column, index) => ({
      jsonKey: Buffer.from(`${JSON.stringify(column.name)}:`),
      type: announcedTypes.get(column.typeOid) ?? valueType(column.typeOid),
      inIdentity: column.inIdentity,
      ignored: ignored[index] === true,
    })),
    hasIgnoredColumns: ignored.includes(true),
    partitioned,
    key: tracked ? primaryKeyColumns(message, primaryKey) : [],
    fields: Buffer.concat([policy.database, schema, table].map(textField)),
  };
}

/**
 * Where the primary key stands in the row. Of the default identity the stream
 * itself says it, as of that row, only not in key order. Otherwise the catalogue
 * is asked (with FULL every column is marked as key), and where it does not
 * fit the row (key dropped or renamed since), a column `id` is the key.
 */
export function primaryKeyColumns(
  message: RelationMessage,
  catalogueKey: readonly string[] | undefined,
): readonly number[] {
  const names = message.columns.map((column) => column.name);
  const known = catalogueKey?.map((name) => names.indexOf(name)) ?? [];
  if (message.replicaIdentity === "d") {
    const marked = message.columns.flatMap((column, index) =>
      column.inIdentity ? [index] : [],
    );
    const isSame =
      known.length === marked.length &&
      marked.every((index) => known.includes(index));
    if (marked.length > 0) return isSame ? known : marked;
  }
  if (known.length > 0 && !known.includes(-1)) return known;
  const id = names.indexOf("id");
  return id >= 0 ? [id] : [];
}
