/**
 * One session's statements, drawn at random: rows of tables whose columns and
 * names change all the time, in transactions that are committed, prepared and
 * rolled back, whole and to savepoints. None of them fails, and the same seed
 * gives the same ones.
 */
import { type Random, randomFrom } from "./random";
import { type ColumnType, ENUM } from "./random-columns";
import {
  addColumn,
  createTable,
  type DrawTableStatement,
  deleteRows,
  dropColumn,
  insertRows,
  renameColumn,
  retypeColumn,
  type Table,
  updateRows,
} from "./random-tables";

/** Stands between statements; to the server it is an empty one. */
export const KILL_WORKER = "-- the worker is killed";

/** What the names of all tables begin with. */
export const TABLE_PREFIX = "random";

export function randomStatements(
  seed: number,
  options: { readonly count: number; readonly types: readonly ColumnType[] },
): readonly string[] {
  const { count, types } = options;
  const random = randomFrom(seed);
  const statements: string[] = [];
  let session: Session = { tables: [], types, begun: [] };
  while (statements.length < count || session.begun.length > 0) {
    const draw = random.pick(KINDS);
    const drawn = draw(random, session);
    if (!drawn) continue;
    statements.push(...drawn.sql);
    session = { ...session, ...drawn };
  }
  return statements;
}

interface Session {
  readonly types: readonly ColumnType[];
  readonly tables: readonly Table[];
  /** The tables as they were at BEGIN, and at each savepoint since. */
  readonly begun: readonly (readonly Table[])[];
}

/** Statements, and what they change of the session. */
type Drawn = Partial<Session> & { readonly sql: readonly string[] };

/** Undefined where it is not possible just now. */
type Draw = (random: Random, session: Session) => Drawn | undefined;

const onTable =
  (draw: DrawTableStatement): Draw =>
  (random, { tables, types }) => {
    if (tables.length === 0) return undefined;
    const table = random.pick(tables);
    const drawn = draw(random, table, types);
    if (!drawn) return undefined;
    const { sql, after } = drawn;
    return {
      sql: [sql],
      tables: tables.map((one) => (one === table ? after : one)),
    };
  };

/** Few, so that one which was dropped or renamed soon comes back. */
const TABLE_NAMES = [1, 2, 3, 4, 5].map((n) => `${TABLE_PREFIX}_${n}`);

function freeName(random: Random, { tables }: Session): string | undefined {
  const taken = tables.map(({ name }) => name);
  const free = TABLE_NAMES.filter((name) => !taken.includes(name));
  return free.length > 0 ? random.pick(free) : undefined;
}

const createOne: Draw = (random, session) => {
  const name = freeName(random, session);
  if (name === undefined) return undefined;
  const { sql, after } = createTable(random, name, session.types);
  return { sql: [sql], tables: [...session.tables, after] };
};

const dropOne: Draw = (random, { tables }) => {
  if (tables.length < 2) return undefined;
  const table = random.pick(tables);
  return {
    sql: [`DROP TABLE ${table.name}`],
    tables: tables.filter((one) => one !== table),
  };
};

const renameOne: Draw = (random, session) => {
  const name = freeName(random, session);
  if (name === undefined) return undefined;
  return onTable((_, table) => ({
    sql: `ALTER TABLE ${table.name} RENAME TO ${name}`,
    after: { ...table, name },
  }))(random, session);
};

const truncate: Draw = (random, { tables }) => {
  const names = tables.map(({ name }) => name);
  const some = names.filter(() => random.upTo(2) === 0);
  return some.length > 0 ? { sql: [`TRUNCATE ${some.join(", ")}`] } : undefined;
};

/** A label cannot be used in the transaction that adds it. */
const addLabel: Draw = (random, { begun }) =>
  begun.length === 0
    ? {
        sql: [
          `ALTER TYPE ${ENUM} ADD VALUE IF NOT EXISTS 'label ${random.upTo(100)}'`,
        ],
      }
    : undefined;

const begin: Draw = (_, { begun, tables }) =>
  begun.length === 0 ? { sql: ["BEGIN"], begun: [tables] } : undefined;

const commit: Draw = (random, { begun }) => {
  if (begun.length === 0) return undefined;
  const prepared = ["PREPARE TRANSACTION 'random'", "COMMIT PREPARED 'random'"];
  return { sql: random.upTo(4) === 0 ? prepared : ["COMMIT"], begun: [] };
};

const rollBack: Draw = (random, { begun: [tables] }) => {
  if (!tables) return undefined;
  const prepared = [
    "PREPARE TRANSACTION 'random'",
    "ROLLBACK PREPARED 'random'",
  ];
  const sql = random.upTo(4) === 0 ? prepared : ["ROLLBACK"];
  return { sql, tables, begun: [] };
};

const savepoint: Draw = (_, { begun, tables }) =>
  begun.length > 0
    ? { sql: [`SAVEPOINT s${begun.length}`], begun: [...begun, tables] }
    : undefined;

const release: Draw = (_, { begun }) =>
  begun.length > 1
    ? {
        sql: [`RELEASE SAVEPOINT s${begun.length - 1}`],
        begun: begun.slice(0, -1),
      }
    : undefined;

/** The savepoint stays. */
const rollBackToSavepoint: Draw = (_, { begun }) =>
  begun.length > 1
    ? {
        sql: [`ROLLBACK TO SAVEPOINT s${begun.length - 1}`],
        tables: begun.at(-1) ?? [],
      }
    : undefined;

/** So many of a hundred draws. */
const KINDS: readonly Draw[] = (
  [
    [32, onTable(insertRows)],
    [20, onTable(updateRows)],
    [5, onTable(deleteRows)],
    [5, onTable(addColumn)],
    [4, onTable(dropColumn)],
    [3, onTable(renameColumn)],
    [2, onTable(retypeColumn)],
    [3, createOne],
    [1, dropOne],
    [2, renameOne],
    [1, truncate],
    [1, addLabel],
    [8, begin],
    [4, commit],
    [1, rollBack],
    [4, savepoint],
    [1, release],
    [2, rollBackToSavepoint],
    [1, () => ({ sql: [KILL_WORKER] })],
  ] satisfies [number, Draw][]
).flatMap(([weight, draw]) => Array.from({ length: weight }, () => draw));
