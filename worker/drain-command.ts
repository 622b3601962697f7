/**
 * `drain`: everything that was committed at the source is stored, and nothing
 * came after it. For a planned move to another server (a major upgrade, blue and
 * green): writes stop, the worker stops, `drain`, the move, `adopt`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { noTrail, readBegunTrail } from "./begun-trail";
import { recordDrained } from "./destination/move";
import { readWatermark, type Watermark } from "./destination/watermark";
import { ConfigurationError, EXIT_CODE, OperatorError } from "./errors";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";
import { checkContinuity } from "./source/continuity";
import { identifySource } from "./source/identify-source";
import { SlotHolder } from "./source/slot-holder";
import { readSourceFacts } from "./source/source-facts";
import { countUndelivered } from "./source/undelivered";
import { Status } from "./status";
import { runTrail } from "./trail";

const POLL_MS = 200;
/** Between two looks that found all sent and read. */
const QUIET_LOOKS = 3;
/** Each reads what came while the one before was ending. */
const ROUNDS = 3;
const COUNT_TIMEOUT_MS = 10 * 60_000;

export async function runDrain(
  settings: Settings,
  { dropSlot }: { readonly dropSlot: boolean },
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  await using servers = new Servers(settings, {
    applicationName: `bemi-worker ${settings.slotName}`,
    signal,
  });
  const watermark = await readBegunTrail(settings, servers);
  if (settings.destinationIsSource) {
    throw new ConfigurationError([
      "DEST_DB_HOST: the trail lives in the source database and moves with it; drain is for a destination of its own",
    ]);
  }
  const client = await servers.connectSource();
  const facts = await readSourceFacts(client, settings);
  const config = await servers.sourceConfig();
  const server = await identifySource(
    settings,
    config,
    facts,
    watermark.timeline,
  );
  checkContinuity(watermark, server, facts.slot);
  if (facts.slot?.active) {
    throw new OperatorError(
      `slot "${settings.slotName}" is in use by pid ${facts.slot.activePid}`,
      "stop the worker, and run drain again: it reads the rest itself",
    );
  }
  const destination = await servers.connectDestination();
  const { drained, end } = await drain({
    settings,
    client,
    destination,
    log,
    signal,
  });
  await recordDrained(destination, drained, end);
  if (dropSlot) {
    await client.query("SELECT pg_catalog.pg_drop_replication_slot($1)", [
      settings.slotName,
    ]);
  }
  log.info(
    {
      drainedLsn: formatLsn(end),
      commitLsn: formatLsn(drained.commitLsn),
      remainingTransactions: 0,
      slotDropped: dropSlot,
    },
    "drained: every commit of the source up to here is stored; start no writes there any more",
  );
  return EXIT_CODE.stopped;
}

interface Parts {
  readonly settings: Settings;
  readonly client: Client;
  readonly destination: Client;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Reads what is left, and has the source's log say that nothing is. */
async function drain(
  parts: Parts,
): Promise<{ readonly drained: Watermark; readonly end: Lsn }> {
  const { settings, client, destination } = parts;
  const { slotName, publicationName } = settings;
  let remaining = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await readOn(parts);
    const { database } = settings.source;
    const drained = await readWatermark(destination, database, slotName);
    if (!drained) throw noTrail(settings);
    const end = await currentLsn(client);
    const { transactions } = await countUndelivered(client, {
      slotName,
      publicationName,
      after: drained.commitLsn,
      upTo: end,
      timeoutMs: COUNT_TIMEOUT_MS,
    });
    if (transactions === 0) return { drained, end };
    remaining = transactions;
  }
  throw new OperatorError(
    `writes go on: ${remaining} transactions were committed at the source while it was drained`,
    "stop every writer (end its sessions, or ALTER DATABASE … SET default_transaction_read_only = on), and run drain again",
  );
}

/** One session of the trail, until the source has sent all it had. */
async function readOn(parts: Parts): Promise<void> {
  const { settings, client, log, signal } = parts;
  const target = await currentLsn(client);
  const status = new Status();
  const stop = new AbortController();
  await using slotHolder = new SlotHolder(settings, log, signal);
  const ended = runTrail(
    { settings, status, log, slotHolder },
    AbortSignal.any([signal, stop.signal]),
  );
  let failed = false;
  ended.catch(() => {
    failed = true;
  });
  for (let quiet = 0; quiet < QUIET_LOOKS && !failed; ) {
    await sleep(POLL_MS);
    const isRead =
      status.state === "streaming" &&
      status.waitingBytes() === 0 &&
      (await hasSent(client, settings.slotName, target));
    quiet = isRead ? quiet + 1 : 0;
  }
  stop.abort();
  await ended;
}

async function currentLsn(client: Client): Promise<Lsn> {
  const { rows } = await client.query<{ lsn: string }>(
    "SELECT pg_catalog.pg_current_wal_lsn()::text AS lsn",
  );
  return parseLsn(rows[0]?.lsn ?? "");
}

async function hasSent(
  client: Client,
  slotName: string,
  target: Lsn,
): Promise<boolean> {
  const { rows } = await client.query<{ sent: boolean }>(
    `SELECT s.sent_lsn >= $2::pg_lsn AS sent
       FROM pg_catalog.pg_replication_slots r
       JOIN pg_catalog.pg_stat_replication s ON s.pid = r.active_pid
      WHERE r.slot_name = $1`,
    [slotName, formatLsn(target)],
  );
  return rows[0]?.sent === true;
}
