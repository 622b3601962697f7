/** A table whose changes are asked for: what the trail calls it, and its key. */
import type { EntityName, EntitySchema } from "@mikro-orm/core";
import type { JsonValue } from "./json-text";

/**
 * A table by its names, for those without an entity; `tableOf` makes one of an
 * entity.
 */
export interface Table<Row extends object = Record<string, JsonValue>> {
  /** Default: `public`. */
  readonly schema?: string;
  readonly table: string;
  /** The primary key's columns, in its order. */
  readonly key: string | readonly string[];
  /**
   * Of a partitioned table, whose changes bear the partition's name: the names
   * of its partitions.
   */
  readonly partitions?: readonly string[];
  /** What `tableOf` knows more. */
  readonly properties?: readonly Property[];
  /** Never there: for types alone. */
  readonly [ROW]?: Row;
}

declare const ROW: unique symbol;

/** A property and the columns that it is stored in. */
export interface Property {
  readonly name: string;
  /** Of one within an embeddable: the names from the entity on. */
  readonly path?: readonly string[];
  readonly columns: readonly string[];
  /** What MikroORM makes of it: `string`, `bigint`, `number`, … */
  readonly runtimeType: string;
  readonly generated: boolean;
}

/** Values by property. A time is a string, since a Date has no microseconds. */
export type Values<Entity extends object> = {
  readonly [Name in keyof Entity as Name extends string
    ? Entity[Name] extends (...args: never[]) => unknown
      ? never
      : Name
    : never]?: Value<Entity[Name]>;
};

type Value<Type> = Type extends string | boolean | bigint | null | undefined
  ? Type
  : Type extends number
    ? number | string
    : Type extends Date | Uint8Array
      ? string
      : JsonValue;

/** What the functions need of an entity manager of MikroORM 6 or 7. */
export interface ChangesDatabase {
  execute(query: string, params?: unknown[]): Promise<unknown>;
  getMetadata(entity?: EntityName<object>): unknown;
}

export interface TableOptions {
  /**
   * Where the entity has none, or `*`. Default: that of `em`, as of a tenant's
   * fork, the configuration's, `public`.
   */
  readonly schema?: string;
  readonly partitions?: readonly string[];
}

/**
 * The table of an entity, out of MikroORM's metadata. Needed by itself where the
 * entity manager that reaches `changes` does not know the entity, and for
 * partitions.
 */
export function tableOf<Entity extends object>(
  em: Pick<ChangesDatabase, "getMetadata">,
  entity: EntityName<Entity>,
  options: TableOptions = {},
): Table<Values<Entity>> {
  const metadata = em.getMetadata(entity as EntityName<object>) as Metadata;
  return tableOfMetadata(em, metadata, options);
}

export function tableOfMetadata(
  em: object,
  metadata: Metadata,
  options: TableOptions = {},
): Table<never> {
  const own = metadata.schema === "*" ? undefined : metadata.schema;
  const { schema: ofEm, config } = em as Contextual;
  const properties = metadata.props.filter(
    ({ persist, fieldNames }) => persist !== false && fieldNames?.length,
  );
  const key = metadata.primaryKeys.flatMap(
    (name) => properties.find((one) => one.name === name)?.fieldNames ?? [],
  );
  return {
    schema: options.schema ?? own ?? ofEm ?? config?.get("schema") ?? "public",
    table: metadata.tableName ?? "",
    key,
    partitions: options.partitions ?? [],
    properties: properties.map((property) => ({
      name: property.name,
      path: pathOf(property, metadata),
      columns: property.fieldNames,
      runtimeType: property.runtimeType ?? "any",
      generated: Boolean(property.generated),
    })),
  };
}

/** MikroORM has columns of embeddables as properties of the entity, under other names. */
function pathOf(
  { name, embedded }: MetadataProperty,
  metadata: Metadata,
): readonly string[] {
  if (!embedded) return [name];
  const outer = metadata.props.find((one) => one.name === embedded[0]);
  return [...(outer ? pathOf(outer, metadata) : []), embedded[1]];
}

/** A table by its entity or by its names. */
export type TableName = EntityName<object> | EntitySchema | Table<object>;

/**
 * What a row of it looks like. A schema comes before a class: on MikroORM 7 it
 * can be called with `new`, and has a prototype of type any.
 */
export type RowOf<Name> = Name extends {
  readonly key: string | readonly string[];
  readonly [ROW]?: infer Row;
}
  ? unknown extends Row
    ? Record<string, JsonValue>
    : Row & object
  : Name extends EntitySchema<infer Entity extends object, infer _Base>
    ? Values<Entity>
    : Name extends { readonly prototype: infer Entity extends object }
      ? Values<Entity>
      : Record<string, JsonValue>;

export function asTable(em: ChangesDatabase, name: TableName): Table<object> {
  return typeof name === "object" && "table" in name && "key" in name
    ? name
    : tableOf(em, name as EntityName<object>);
}

interface Contextual {
  readonly schema?: string | undefined;
  readonly config?: { get(key: "schema"): string | undefined };
}

export interface Metadata {
  readonly tableName?: string;
  readonly schema?: string;
  readonly primaryKeys: readonly string[];
  readonly props: readonly MetadataProperty[];
}

interface MetadataProperty {
  readonly name: string;
  readonly fieldNames: readonly string[];
  readonly runtimeType?: string;
  readonly persist?: boolean;
  readonly generated?: unknown;
  /** The embeddable's property, and the name in it. */
  readonly embedded?: readonly [string, string];
}
