/**
 * The replication stream on one connection. pg-logical-replication carries it;
 * what decides over loss is done here: a new service object per connection,
 * frames copied as they arrive, back-pressure, and status messages
 * with exact positions on a timer of their own.
 */
import type { Client, ClientConfig } from "pg";
import { LogicalReplicationService } from "pg-logical-replication";
import { AbstractPlugin } from "pg-logical-replication/dist/output-plugins/abstract.plugin";
import { OperatorError } from "../errors";
import { formatLsn, type Lsn, parseLsn } from "../lsn";
import { WATCH_TICK_MS, watch } from "../network/watchdog";
import {
  COPY_DATA,
  FRAME,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FrameQueue,
} from "./frame-queue";
import { throughSplitter } from "./split-connection";
import { unsendableRow } from "./unsendable-row";

/** An idle stream's status interval, unless the server's patience is shorter. */
const MAX_STATUS_INTERVAL_MS = 10_000;
/** Watching more often than that would ask the server for nothing. */
const MIN_WATCH_TICK_MS = 1_000;
/**
 * A server with more patience, or with no end of it, would keep the slot for a
 * connection that is gone, and the next session would wait for it.
 */
const MAX_SENDER_TIMEOUT_MS = 60_000;
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

export interface ReplicationOptions {
  readonly config: ClientConfig;
  readonly slotName: string;
  readonly publicationName: string;
  /** Where to start; the server starts at the slot's position if that is later. */
  readonly start: Lsn;
  /** Bytes that may wait for the decoder before the socket rests. */
  readonly limitBytes: number;
  /** Larger values are hashed as they arrive. */
  readonly maxValueBytes: number;
  /** The server sends nothing before a standby has it; says which. */
  readonly onWaiting?: (message: string) => void;
  /** Runs on the replication connection before the stream starts. */
  readonly prepare: (client: Client) => Promise<void>;
  /** An ordinary connection to the same server, to ask about a silent stream. */
  readonly connectAgain: () => Promise<Client>;
}

export interface ReplicationStream extends AsyncDisposable {
  readonly frames: FrameQueue;
  /**
   * Tells the source that it may forget what is before `position`. Exactly that
   * position: the start of a commit record, or a keepalive's position when
   * nothing is outstanding.
   */
  confirm(position: Lsn): void;
  readonly confirmed: Lsn;
  /** Pieces that came so far; of a large message there are many. */
  readonly chunks: number;
}

/** Parts of `pg` that its types leave out; the library uses them likewise. */
interface RawConnection {
  sendCopyFromChunk(frame: Buffer): void;
  readonly stream: {
    on(event: "data", listener: () => void): void;
    pause(): void;
    resume(): void;
    destroy(error?: Error): void;
  };
}

/** Resolves when the server has granted the slot and streams. */
export async function openReplication(
  options: ReplicationOptions,
): Promise<ReplicationStream> {
  const { config, splitter } = throughSplitter(options.config, {
    maxValueBytes: options.maxValueBytes,
    push: (bytes, from, to) => frames.push(bytes, from, to),
    adopt: (frame) => frames.adopt(frame),
  });
  const service = new LogicalReplicationService(config, {
    acknowledge: { auto: false, timeoutSeconds: 0 },
    // With the library's flow control a keepalive overtakes the rows that wait,
    // and its position would be taken for one behind them (docs/decisions.md).
    flowControl: { enabled: false },
  });
  let connection: RawConnection | undefined;
  let statusTimer: NodeJS.Timeout | undefined;
  let endWatch: (() => void) | undefined;
  let confirmed = 0n;
  let received = 0n;
  let chunks = 0;

  const frames = new FrameQueue({
    limitBytes: options.limitBytes,
    pause: () => connection?.stream.pause(),
    resume: () => connection?.stream.resume(),
  });
  // Without a flushed position, which leaves the slot where it is: a server
  // that shuts down then goes by what was received. It would otherwise wait for
  // all of that to be durable, as long as the destination is locked.
  const sendStatus = (flushed: Lsn = 0n, wantsReply = false): void => {
    const status = { written: received, flushed, wantsReply };
    connection?.sendCopyFromChunk(
      statusFrame({ ...status, nowMs: Date.now() }),
    );
  };
  const { connectAgain } = options;
  const plugin = new StartPlugin(options, async (client) => {
    endWatch = watch(client, { tickMs: WATCH_TICK_MS, connectAgain });
    await options.prepare(client);
    const timeoutMs = await senderTimeoutMs(client);
    const intervalMs = Math.min(timeoutMs / 4, MAX_STATUS_INTERVAL_MS);
    endWatch();
    endWatch = watch(client, {
      connectAgain,
      tickMs: Math.max(intervalMs, MIN_WATCH_TICK_MS),
      ping: () => sendStatus(0n, true),
      // A paused socket hides keepalives.
      rests: () => frames.paused,
    });
    connection = (client as unknown as { connection: RawConnection })
      .connection;
    connection.stream.on("data", () => {
      chunks++;
    });
    client.on("notice", (notice) => {
      // Not by its severity: pg gives the one that lc_messages translates.
      if (notice.code !== "55000") return;
      // The same code for a standby of synchronized_standby_slots that is not
      // there (17 and later): the server waits for it, and so do we.
      if (notice.routine === "StandbySlotsHaveCaughtup") {
        options.onWaiting?.(notice.message ?? "");
        return;
      }
      // PostgreSQL 18 skips a missing publication with no more than this, and
      // would let its changes pass by.
      frames.fail(missingPublication(options.publicationName));
    });
    statusTimer = setInterval(() => sendStatus(), intervalMs);
  });

  service.on("heartbeat", (lsn, _timestamp, shouldRespond) => {
    received = parseLsn(lsn);
    frames.push(keepaliveFrame(received));
    if (shouldRespond) sendStatus();
  });
  const fail = (error: Error): void => {
    const unsendable = unsendableRow(error, splitter.openCommitLsn);
    if (unsendable) frames.endWith(unsendable);
    else frames.fail(error);
  };
  service.on("error", fail);

  const started = new Promise<void>((resolve) =>
    service.once("start", resolve),
  );
  const ended = service
    .subscribe(plugin, options.slotName, formatLsn(options.start))
    .then(() => {
      throw new Error("the source ended the replication stream");
    });
  ended.catch(fail);

  const endTimers = (): void => {
    clearInterval(statusTimer);
    endWatch?.();
  };
  try {
    await Promise.race([started, ended]);
  } catch (error) {
    endTimers();
    await service.destroy().catch(() => undefined);
    throw error;
  }

  return {
    frames,
    get confirmed() {
      return confirmed;
    },
    get chunks() {
      return chunks;
    },
    confirm(position) {
      if (position <= confirmed) return;
      confirmed = position;
      if (confirmed > received) received = confirmed;
      sendStatus(confirmed);
    },
    async [Symbol.asyncDispose]() {
      endTimers();
      frames.fail(new Error("the replication stream was closed"));
      sendStatus(confirmed);
      await service.destroy().catch(() => undefined);
    },
  };
}

/** Starts the stream, of which the library gets nothing but keepalives. */
class StartPlugin extends AbstractPlugin<ReplicationOptions> {
  readonly #prepare: (client: Client) => Promise<void>;

  constructor(
    options: ReplicationOptions,
    prepare: (client: Client) => Promise<void>,
  ) {
    super(options);
    this.#prepare = prepare;
  }

  get name(): string {
    return "pgoutput";
  }

  parse(): never {
    throw new Error("a change went past the splitter");
  }

  async start(
    client: Client,
    slotName: string,
    lastLsn: string,
  ): Promise<unknown> {
    await this.#prepare(client);
    const publication = client.escapeLiteral(
      // Quoted twice: as a name in a list, then as the option's text.
      client.escapeIdentifier(this.options.publicationName),
    );
    return client.query(
      `START_REPLICATION SLOT ${client.escapeIdentifier(slotName)} LOGICAL ${lastLsn} (proto_version '1', publication_names ${publication}, messages 'true')`,
    );
  }
}

/** In its place between the changes; its position stands for those before it. */
function keepaliveFrame(position: Lsn): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES);
  frame[0] = COPY_DATA;
  frame.writeUInt32BE(frame.length - FRAME_AT.length, FRAME_AT.length);
  frame[FRAME_AT.kind] = FRAME.keepalive;
  frame.writeBigUInt64BE(position, FRAME_AT.lsn);
  return frame;
}

/** Standby status update; a flushed position moves the slot, 0 does not. */
export function statusFrame(status: {
  readonly written: Lsn;
  readonly flushed: Lsn;
  readonly nowMs: number;
  /** The server answers at once, with a keepalive. */
  readonly wantsReply?: boolean;
}): Buffer {
  const { written, flushed, nowMs, wantsReply = false } = status;
  const frame = Buffer.alloc(34);
  frame[0] = 0x72; // r
  frame.writeBigUInt64BE(written, 1);
  frame.writeBigUInt64BE(flushed, 9);
  frame.writeBigUInt64BE(flushed, 17);
  frame.writeBigInt64BE(BigInt(nowMs - POSTGRES_EPOCH_MS) * 1000n, 25);
  frame.writeInt8(wantsReply ? 1 : 0, 33);
  return frame;
}

/** How long the server waits for a status before it ends the stream. */
async function senderTimeoutMs(client: Client): Promise<number> {
  const { rows } = await client.query(
    "SELECT setting::int AS ms FROM pg_settings WHERE name = 'wal_sender_timeout'",
  );
  const timeoutMs = Number(rows[0]?.ms);
  if (timeoutMs > 0 && timeoutMs <= MAX_SENDER_TIMEOUT_MS) return timeoutMs;
  await client.query(`SET wal_sender_timeout = ${MAX_SENDER_TIMEOUT_MS}`);
  return MAX_SENDER_TIMEOUT_MS;
}

function missingPublication(name: string): OperatorError {
  return new OperatorError(
    `the publication "${name}" was missing when changes that are still to be read were made`,
    "see docs/operations.md, “Publication dropped”: changes made without a publication cannot be read from the log",
  );
}
