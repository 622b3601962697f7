/** What a writer does in a transaction, drawn at random. */
import type { Item, LedgerDraft } from "./draft";
import { between, pick, type Random } from "./random";

const MAX_ITEMS = 300;
const BULK_ROWS = [10_000, 30_000] as const;

/**
 * `plain`: rows, contexts, COPY, savepoints. `everything`: bulk inserts, TRUNCATE,
 * DDL and prepared transactions too.
 */
export type Mix = "plain" | "everything";

/** The tables that a writer of this mix needs. */
export function tablesOf(writer: string, mix: Mix = "plain"): string {
  const plain = `
    CREATE TABLE ${writer}_item (id bigint PRIMARY KEY, text text, number int);
    CREATE TABLE ${writer}_commit (id bigint PRIMARY KEY);`;
  if (mix === "plain") return plain;
  return `${plain}
    CREATE TABLE ${writer}_bulk (id bigint PRIMARY KEY, text text, number int);
    CREATE TABLE ${writer}_side (text text, code bigint PRIMARY KEY);`;
}

export interface MixParts {
  readonly writer: string;
  readonly random: Random;
  readonly draft: LedgerDraft;
  readonly nextId: () => number;
}

/** One transaction's work, between its marker and its end. */
export async function work(mix: Mix, parts: MixParts): Promise<void> {
  const { random, draft } = parts;
  // The context comes before the rows, after them, or not at all.
  const place = pick(random, ["before", "before", "after", "none"]);
  if (place === "before") await draft.context(contextOf(parts));
  const rare = mix === "everything" ? random() : 1;
  if (rare < 0.002) await bulk(parts);
  else if (rare < 0.012) await truncate(parts);
  else if (rare < 0.04) await ddl(parts);
  else if (rare < 0.1) await insertSide(parts);
  await rows(parts);
  if (place === "after") await draft.context(contextOf(parts));
}

async function rows(parts: MixParts): Promise<void> {
  const { random, draft, writer } = parts;
  const kinds = ["single", "single", "single", "several", "copy"] as const;
  const kind = pick(random, kinds);
  if (kind === "copy") {
    const items = newItems(parts, between(random, 5, 60));
    await draft.copy(`${writer}_item`, items);
  }
  const steps = kind === "several" ? between(random, 2, 6) : 1;
  for (let count = 0; count < steps; count++) await step(parts);
}

async function step(parts: MixParts): Promise<void> {
  const { random, draft, writer, nextId } = parts;
  const table = `${writer}_item`;
  const known = [...draft.items.keys()];
  const dice = random();
  if (known.length < 5 || (dice < 0.35 && known.length < MAX_ITEMS)) {
    await draft.insert(table, newItems(parts, between(random, 1, 4)));
  } else if (dice < 0.6) {
    const id = pick(random, known);
    await draft.update(id, { ...valuesOf(parts), id });
  } else if (dice < 0.65) {
    await draft.update(pick(random, known), {
      ...valuesOf(parts),
      id: nextId(),
    });
  } else if (dice < 0.85) {
    await draft.delete(pick(random, known));
  } else if (dice < 0.9) {
    await draft.context(contextOf(parts));
  } else {
    await draft.savepoint(random() < 0.7, async () => {
      await draft.context(contextOf(parts));
      await draft.insert(table, newItems(parts, 2));
    });
  }
}

async function bulk({ random, draft, writer, nextId }: MixParts) {
  const count = between(random, ...BULK_ROWS);
  const first = nextId() * BULK_ROWS[1];
  await draft.bulk(`${writer}_bulk`, first, count);
}

async function insertSide({ random, draft, writer, nextId }: MixParts) {
  const count = between(random, 1, 3);
  const rows = Array.from({ length: count }, () => {
    const code = nextId();
    return { code, text: `side ${code}` };
  });
  // A key that only the catalogue tells.
  await draft.insert(`${writer}_side`, rows, "code");
}

async function truncate({ random, draft, writer }: MixParts) {
  const sets = [
    ["bulk"],
    ["side"],
    ["side", "bulk"],
    ["bulk", "item", "side"],
  ] as const;
  await draft.truncate(pick(random, sets).map((name) => `${writer}_${name}`));
}

async function ddl(parts: MixParts): Promise<void> {
  const { random, draft, writer, nextId } = parts;
  const extra = [...draft.columns].filter(([name]) => name.startsWith("x"));
  const [name, type] = extra.length > 0 ? pick(random, extra) : [];
  const kind = pick(random, ["add", "drop", "rename", "type", "table"]);
  if (kind === "table") {
    const id = nextId();
    const table = `${writer}_new${id}`;
    await draft.createTable(table);
    await draft.insert(table, [{ id, text: "first" }]);
  } else if (name === undefined || (kind === "add" && extra.length < 4)) {
    await draft.addColumn(`x${nextId()}`, between(random, 0, 1000));
  } else if (kind === "type" && type === "int") {
    await draft.changeType(name);
  } else if (kind === "rename") {
    await draft.renameColumn(name, `x${nextId()}`);
  } else {
    await draft.dropColumn(name);
  }
}

function contextOf({ writer, nextId }: MixParts): object {
  return { user: writer, request: nextId() };
}

function valuesOf({ random, draft, nextId }: MixParts): object {
  const mark = nextId();
  return Object.fromEntries(
    [...draft.columns].map(([name, type]) => {
      if (type === "text") {
        const length = between(random, 0, 120);
        return [name, `${mark}é`.repeat(length).slice(0, length)];
      }
      return [name, random() < 0.1 ? null : between(random, -1e9, 1e9)];
    }),
  );
}

function newItems(parts: MixParts, count: number): Item[] {
  return Array.from({ length: count }, () => ({
    id: parts.nextId(),
    ...valuesOf(parts),
  }));
}
