/**
 * Keeps the slot in use while the destination cannot be reached. PostgreSQL 18
 * invalidates a slot that nobody has used for idle_replication_slot_timeout, and
 * a destination that is down for a weekend would cost the trail.
 */
import { describeError, type Log } from "../log";
import { streamStartFailure } from "../network/connect";
import { Servers } from "../network/servers";
import type { Settings } from "../settings/settings";
import { openReplication, type ReplicationStream } from "../stream/replication";
import { prepareStream } from "./session";

/** What the server may send; then the socket rests, and all of it is dropped. */
const LIMIT_BYTES = 64 * 1024;

interface Held {
  readonly servers: Servers;
  readonly stream: ReplicationStream;
}

export class SlotHolder implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  #held: Held | undefined;

  constructor(settings: Settings, log: Log, signal: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#signal = signal;
  }

  /**
   * Streams from the slot, or goes on with it. What comes is not read and
   * nothing is confirmed, so all of it is sent again. To be called at every
   * attempt: whoever has the slot instead, or the source itself, may be gone.
   */
  async hold(): Promise<void> {
    if (this.#held && isAlive(this.#held.stream)) return;
    await this.release();
    const { slotName, publicationName, maxValueBytes } = this.#settings;
    const servers = new Servers(this.#settings, {
      applicationName: `bemi-worker ${slotName}`,
      signal: this.#signal,
    });
    try {
      const config = await servers.sourceConfig();
      const stream = await openReplication({
        config,
        slotName,
        publicationName,
        start: 0n,
        limitBytes: LIMIT_BYTES,
        maxValueBytes,
        prepare: prepareStream,
        connectAgain: () => servers.connectSource(),
      }).catch((error: unknown) => {
        throw streamStartFailure(error, this.#settings.source, config);
      });
      this.#held = { servers, stream };
      this.#log.info("the slot is kept in use until the destination is back");
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      // The destination is what is waited for; the session that has it again
      // says what is wrong with the source.
      this.#log.warn(
        { error: describeError(error) },
        "the slot cannot be kept in use meanwhile",
      );
    }
  }

  /** Lets go of it, for the session that is to stream. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.stream[Symbol.asyncDispose]();
    await held?.servers[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** Drops what came, since a queue says only when read that it has ended. */
function isAlive({ frames }: ReplicationStream): boolean {
  try {
    while (frames.take());
    return true;
  } catch {
    return false;
  }
}
