/**
 * Notices a connection that is half open: after a firewall forgot it, a
 * tunnel moved or a host died, the socket stays and nothing comes any more.
 * Silence alone says nothing: a COPY of two million rows, a lock that is waited
 * for, a huge transaction being decoded are silent too, for as long as they
 * like. So a second, fresh connection asks the server what the silent session
 * is doing, and only what shows no sign of life twice is given up.
 */
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { answerOf } from "../sql-state";

/** Of connections that do as they are asked; the stream has its own. */
export const WATCH_TICK_MS = 5_000;
/** Silent ticks before the first look, and between two. */
const TICKS_BEFORE_LOOK = 3;
const TICKS_BETWEEN_LOOKS = 2;
/** A session that is alive and silent is looked at less and less often. */
const MAX_TICKS_BETWEEN_LOOKS = 12;
const LOOKS_WITHOUT_LIFE = 2;

export interface WatchOptions {
  /** A new connection to the same server, by the same way. */
  readonly connectAgain: () => Promise<Client>;
  readonly tickMs: number;
  /** Asks the server to say something; called at each silent tick. */
  readonly ping?: () => void;
  /** True while nobody reads the socket: then silence is ours. */
  readonly rests?: () => boolean;
}

/** Parts of `pg` that its types leave out. */
interface RawClient {
  readonly readyForQuery: boolean;
  readonly processID: number;
  _getActiveQuery(): unknown;
  readonly connection: {
    readonly stream: {
      on(event: "data", listener: () => void): void;
      destroy(error?: Error): void;
    };
  };
}

/**
 * Watches a connected client whenever it waits for an answer. One that is half
 * open is destroyed: what waits for it fails, at the latest seven ticks after
 * the last byte. Ends with the connection, or by calling what it returns.
 */
export function watch(client: Client, options: WatchOptions): () => void {
  const { connectAgain, tickMs, ping, rests } = options;
  const raw = client as unknown as RawClient;
  let heard = false;
  let silentTicks = 0;
  let nextLook = TICKS_BEFORE_LOOK;
  let isLooking = false;
  let looksWithoutLife = 0;
  let lastMark: string | undefined;

  const isFine = (): boolean =>
    heard || !expectsAnswer(raw) || rests?.() === true;
  // Ticks are counted, not time: after a process was frozen or busy for long,
  // its timers run before it reads what has arrived meanwhile.
  const tick = async (): Promise<void> => {
    if (isFine()) {
      heard = false;
      silentTicks = 0;
      nextLook = TICKS_BEFORE_LOOK;
      looksWithoutLife = 0;
      lastMark = undefined;
      return;
    }
    silentTicks++;
    ping?.();
    if (isLooking || silentTicks < nextLook) return;
    isLooking = true;
    const { lives, mark } = await look(raw.processID, connectAgain, tickMs);
    isLooking = false;
    if (isFine()) return;
    if (lives) {
      looksWithoutLife = 0;
      nextLook = silentTicks + Math.min(silentTicks, MAX_TICKS_BETWEEN_LOOKS);
      return;
    }
    // A session that waits for us while we wait for it, and moves between two
    // looks, has a slow line, not a dead one.
    looksWithoutLife = mark === lastMark ? looksWithoutLife + 1 : 1;
    lastMark = mark;
    nextLook = silentTicks + TICKS_BETWEEN_LOOKS - 1;
    if (looksWithoutLife < LOOKS_WITHOUT_LIFE) return;
    const seconds = Math.round((silentTicks * tickMs) / 1000);
    raw.connection.stream.destroy(
      new Error(
        `the connection is half open: nothing came for ${seconds} s, and a second connection found no sign of life`,
      ),
    );
  };
  raw.connection.stream.on("data", () => {
    heard = true;
  });
  const timer = setInterval(() => void tick(), tickMs);
  timer.unref();
  client.once("end", () => clearInterval(timer));
  return () => clearInterval(timer);
}

/** Not in the middle of a COPY that has nothing to send: the server waits for us. */
function expectsAnswer(client: RawClient): boolean {
  if (client.readyForQuery) return false;
  const query = client._getActiveQuery();
  const isCopy = query instanceof Writable;
  return !isCopy || query.writableEnded || query.writableLength > 0;
}

interface Look {
  readonly lives: boolean;
  /** What changes when a session that waits for us gets on. */
  readonly mark?: string;
}

/** What the session is doing, as the server sees it. Never fails. */
async function look(
  processId: number,
  connectAgain: () => Promise<Client>,
  timeoutMs: number,
): Promise<Look> {
  const asking = ask(processId, connectAgain).catch(
    // A server that is full or refuses the log-in is there, and says no more.
    (error: unknown) => ({ lives: answerOf(error) !== undefined }),
  );
  const late = sleep(timeoutMs, { lives: false }, { ref: false });
  return Promise.race([asking, late]);
}

async function ask(
  processId: number,
  connectAgain: () => Promise<Client>,
): Promise<Look> {
  const client = await connectAgain();
  try {
    const { rows } = await client.query<{
      own: number;
      mark: string | null;
      waits: boolean;
    }>(
      `SELECT pg_backend_pid() AS own, concat_ws(' ', a.state_change, a.query_start, p.bytes_processed) AS mark,
              coalesce(a.wait_event_type IN ('Client', 'Activity'), false) AS waits
         FROM (SELECT ${processId} AS pid) asked
         LEFT JOIN pg_stat_activity a USING (pid)
         LEFT JOIN pg_stat_progress_copy p USING (pid)`,
    );
    const [row] = rows;
    // A pooler in between gives numbers of its own, which say nothing.
    const hasPooler = row?.own !== (client as unknown as RawClient).processID;
    if (!row || hasPooler) return { lives: true };
    // Not there any more, or on another server behind the same name.
    if (!row.mark) return { lives: false };
    return { lives: !row.waits, mark: row.mark };
  } finally {
    void client.end().catch(() => undefined);
  }
}
