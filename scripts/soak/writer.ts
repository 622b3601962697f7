/**
 * A writer of a mixed load, which goes on across crashes of the source and
 * knows of each of its transactions whether it was committed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, DatabaseError, escapeLiteral } from "pg";
import { parseLsn } from "../../worker/lsn";
import { eventually } from "../eventually";
import { type ItemTable, LedgerDraft } from "./draft";
import type { Ledger } from "./ledger";
import { type Mix, work } from "./mix";
import { type Random, seeded } from "./random";

const RECONNECT_TIMEOUT_MS = 120_000;
const MAX_PAUSE_MS = 4;
/** That a prepared transaction waits for its end: time for a crash or two. */
const MAX_PREPARED_MS = 4_000;

export interface LedgerWriterOptions {
  /** Connects to the source. */
  readonly connect: () => Promise<Client>;
  /** Of the tables that `tablesOf` made. */
  readonly name: string;
  readonly seed: number;
  readonly ledger: Ledger;
  /** @default plain */
  readonly mix?: Mix;
  /** Rest between transactions, so that two cores are enough. */
  readonly maxPauseMs?: number;
}

type End = "commit" | "rollback" | "commit prepared" | "rollback prepared";

export class LedgerWriter {
  readonly #options: LedgerWriterOptions;
  #state: ItemTable = {
    items: new Map(),
    columns: new Map([
      ["text", "text"],
      ["number", "int"],
    ]),
  };
  #nextId = 1;
  #started = 0;
  #client: Client | undefined;

  constructor(options: LedgerWriterOptions) {
    this.#options = options;
  }

  /** Writes until `signal`, across crashes of the source. */
  async run(signal: AbortSignal): Promise<void> {
    const { seed, maxPauseMs = MAX_PAUSE_MS } = this.#options;
    while (!signal.aborted) {
      // Of its own for each transaction: those after one that a crash undid
      // are drawn as they would have been without it.
      const random = seeded(seed * 1_000_003 + ++this.#started);
      await this.#transaction(random);
      await sleep(random() * maxPauseMs);
    }
    await this.#disconnect();
  }

  /** One transaction, whose outcome is known when it returns. */
  async #transaction(random: Random): Promise<void> {
    const { name, ledger, mix = "plain" } = this.#options;
    const marker = this.#nextId++;
    const gid = `${name} ${marker}`;
    const client = await this.#connected();
    const draft = new LedgerDraft(client, `${name}_item`, this.#state);
    let notBefore = 0n;
    let before: bigint | undefined;
    let end: End | undefined;
    try {
      await client.query("BEGIN");
      await draft.insert(`${name}_commit`, [{ id: marker }]);
      const nextId = () => this.#nextId++;
      await work(mix, { writer: name, random, draft, nextId });
      const wanted = endOf(random, mix);
      if (wanted === "rollback") {
        await client.query("ROLLBACK");
        return;
      }
      notBefore = await durablePosition(client);
      end = wanted;
      if (end === "commit") {
        await client.query("COMMIT");
        before = await insertPosition(client);
      } else {
        await draft.prepare(gid);
      }
    } catch (error) {
      await this.#disconnect();
      if (!isLost(error)) throw error;
      // Before its end was sent nothing was committed.
      if (end === undefined) return;
    }
    if (end !== "commit") {
      await sleep(random() * MAX_PREPARED_MS);
      notBefore = await this.#again(durablePosition);
      await this.#again((now) => finishPrepared(now, gid, end));
    }
    // After an end whose answer was lost only the source knows.
    const isKnown = end === "commit" && before !== undefined;
    if (!isKnown) {
      const marked = `EXISTS (SELECT FROM ${name}_commit WHERE id = ${marker})`;
      const there = await this.#again((now) => truth(now, marked));
      if (!there) return;
    }
    before ??= await this.#again(insertPosition);
    this.#state = { items: draft.items, columns: draft.columns };
    const { rows, rowCount } = draft;
    const transaction = { writer: name, marker, rows, rowCount };
    ledger.transactions.push({ ...transaction, notBefore, before });
  }

  /** Repeats what may be repeated until the source has answered. */
  async #again<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    for (;;) {
      const client = await this.#connected();
      try {
        return await ask(client);
      } catch (error) {
        await this.#disconnect();
        if (!isLost(error)) throw error;
      }
    }
  }

  async #connected(): Promise<Client> {
    this.#client ??= await eventually(
      "the source takes connections",
      () => this.#options.connect(),
      RECONNECT_TIMEOUT_MS,
    );
    return this.#client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }
}

function endOf(random: Random, mix: Mix): End {
  if (random() < 0.1) return "rollback";
  if (mix === "plain" || random() > 0.02) return "commit";
  return random() < 0.7 ? "commit prepared" : "rollback prepared";
}

/** Unless it was done before, and the answer was lost. */
async function finishPrepared(
  client: Client,
  gid: string,
  end: End | undefined,
): Promise<void> {
  const literal = escapeLiteral(gid);
  const prepared = `EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = ${literal})`;
  if (!(await truth(client, prepared))) return;
  await client.query(`${end} ${literal}`);
}

async function truth(client: Client, condition: string): Promise<boolean> {
  const { rows } = await client.query(`SELECT ${condition} AS truth`);
  return rows[0].truth;
}

/** What is committed now is before it. */
async function insertPosition(client: Client): Promise<bigint> {
  return position(client, "pg_current_wal_insert_lsn()");
}

/**
 * Nothing that is committed later is before it, also when the server crashes
 * meanwhile, and with it what was only inserted.
 */
async function durablePosition(client: Client): Promise<bigint> {
  return position(client, "pg_current_wal_flush_lsn()");
}

async function position(client: Client, lsn: string): Promise<bigint> {
  const { rows } = await client.query(`SELECT ${lsn}::text AS lsn`);
  return parseLsn(rows[0].lsn);
}

/** The connection, and not the statement, was the problem. */
function isLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(57|08)/.test(error.code ?? "");
  return (
    error instanceof Error &&
    /connection|ECONN|EPIPE|socket/i.test(error.message)
  );
}
