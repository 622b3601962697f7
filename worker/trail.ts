/**
 * One session of the trail: connect, check, stream, until something ends it.
 * Everything opened here is closed in reverse order, whatever happens.
 */

import { checkNotFenced } from "./destination/claim";
import { Destination } from "./destination/destination";
import { prepareDestination } from "./destination/prepare-destination";
import { reachDestination } from "./destination/reach-destination";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import { streamStartFailure } from "./network/connect";
import { Servers } from "./network/servers";
import { idleActivity, runPipeline } from "./pipeline";
import { Releases } from "./releases";
import { sourceIdentity } from "./row/change-row";
import type { Settings } from "./settings/settings";
import { Catalog } from "./source/catalog";
import { prepareStream } from "./source/session";
import type { SlotHolder } from "./source/slot-holder";
import { prepareSource } from "./source/source";
import type { Status } from "./status";
import { HistoryProof } from "./stream/history-proof";
import { ownTables } from "./stream/own-tables";
import { openReplication } from "./stream/replication";
import { toUtf8From } from "./stream/server-encoding";
import { Stitcher } from "./stream/stitch";
import { tablePolicy } from "./stream/table-policy";
import { takeOver } from "./take-over";
import { startUpkeep } from "./upkeep";

const WAITING_FOR_STANDBY =
  "the source sends nothing before a standby has it (synchronized_standby_slots)";

/** Batches that may wait as frames while one is being written. */
const QUEUED_BATCHES = 2;

export async function runTrail(
  parts: {
    readonly settings: Settings;
    readonly status: Status;
    readonly log: Log;
    /** Has the slot while this has no destination. */
    readonly slotHolder: Pick<SlotHolder, "hold" | "release">;
  },
  signal: AbortSignal,
): Promise<void> {
  const { settings, status, log, slotHolder } = parts;
  const { slotName, publicationName } = settings;
  await using releases = new Releases();
  const servers = releases.use(
    new Servers(settings, {
      applicationName: `bemi-worker ${slotName}`,
      signal,
    }),
  );
  const over = new AbortController();
  releases.defer(() => over.abort());

  // The destination first: a slot holds back the source's log from the moment
  // it is made, and is of no use before its rows have a place.
  const writing = await reachDestination(servers).catch(async (error) => {
    if (status.hasStreamed) await slotHolder.hold();
    throw error;
  });
  await slotHolder.release();
  await prepareDestination(writing, settings);

  const {
    source,
    watermark: known,
    trackedOids,
  } = await prepareSource({
    settings,
    config: await servers.sourceConfig(),
    writing,
    log,
  });
  checkNotFenced(known, status.epoch);
  status.confirmedLsn = formatLsn(known.position);
  const catalog = releases.use(new Catalog(() => servers.connectSource()));

  const config = await servers.sourceConfig();
  const stream = releases.use(
    await openReplication({
      config,
      slotName,
      publicationName,
      start: known.commitLsn,
      limitBytes: settings.batchMaxBytes * QUEUED_BATCHES,
      maxValueBytes: settings.maxValueBytes,
      prepare: prepareStream,
      connectAgain: () => servers.connectSource(),
      onWaiting: (reason) => log.warn({ reason }, WAITING_FOR_STANDBY),
    }).catch((error: unknown) => {
      status.streamFailure = error;
      throw streamStartFailure(error, settings.source, config);
    }),
  );
  const sessions = [writing, await servers.connectDestination()] as const;
  const watermark = await takeOver(sessions, source, { status, log });
  const own = await ownTables(writing, source);
  const stitcher = new Stitcher({
    policy: tablePolicy({
      settings,
      source,
      catalog,
      status,
      log,
      own,
      trackedOids,
    }),
    identity: sourceIdentity(source),
    idOffset: watermark.idOffset,
    watermark: watermark.commitLsn,
    proof: new HistoryProof(
      watermark.commitLsn,
      await confirmedFlushLsn(catalog, slotName),
    ),
    maxValueBytes: settings.maxValueBytes,
    toUtf8: toUtf8From(await catalog.serverEncoding()),
    heartbeats: status.heartbeats,
    nowMs: Date.now,
  });

  releases.defer(() => status.endSession());
  status.beginSession(stitcher.counters, () => stream.frames.waitingBytes);
  status.confirmedLsn = formatLsn(watermark.position);
  const activity = idleActivity();
  startUpkeep(
    { settings, servers, catalog, stream, activity, watermark, status, log },
    over.signal,
  );
  log.info(
    {
      slot: slotName,
      publication: publicationName,
      commitLsn: formatLsn(watermark.commitLsn),
      position: formatLsn(watermark.position),
    },
    "streaming",
  );
  const { batchMaxBytes, batchMaxDelayMs } = settings;
  const streaming = runPipeline(
    {
      frames: stream.frames,
      stitcher,
      destination: new Destination(sessions, watermark, { status, log }),
      position: watermark.position,
      confirm(position) {
        stream.confirm(position);
        status.confirmedLsn = formatLsn(position);
        // Not sooner: a session that only begins and fails again would be
        // repeated for ever, and without a pause.
        status.attempts = 0;
      },
      reached: (position) => status.heartbeats.reached(position),
      activity,
      batchMaxBytes,
      batchMaxDelayMs,
    },
    signal,
  );
  await streaming.catch((error: unknown) => {
    if (error === stream.frames.failure) status.streamFailure = error;
    throw error;
  });
}

/** Where the slot stood when it was granted; nothing is confirmed yet. */
async function confirmedFlushLsn(
  catalog: Catalog,
  slotName: string,
): Promise<Lsn> {
  const [row] = await catalog.query<{ lsn: string }>(
    `SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${slotName}'`,
  );
  return parseLsn(row?.lsn ?? "");
}
