/**
 * One session of the trail: connect, check, stream, until something ends it.
 * Everything opened here is closed in reverse order, whatever happens.
 */

import { watchCondition } from "./condition-watch";
import { checkNotFenced, claim, fenced } from "./destination/claim";
import { Destination } from "./destination/destination";
import { migrate } from "./destination/destination-schema";
import { keepIndexesMerged } from "./destination/index-upkeep";
import { keepPartitions } from "./destination/partition-upkeep";
import { ensurePartition, monthOf } from "./destination/partitions";
import {
  checkChangesTable,
  readChangesTable,
} from "./destination/preflight-changes";
import { reachDestination } from "./destination/reach-destination";
import { recordTimeline } from "./destination/watermark";
import { refuse } from "./finding";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import { streamStartFailure } from "./network/connect";
import { Servers } from "./network/servers";
import { idleActivity, runPipeline } from "./pipeline";
import { Releases } from "./releases";
import { sourceIdentity } from "./row/change-row";
import type { Settings } from "./settings/settings";
import { Catalog } from "./source/catalog";
import { commonPosition } from "./source/continuity";
import { sendHeartbeats } from "./source/heartbeat-sender";
import { watchHistory } from "./source/history-watch";
import { identifySource } from "./source/identify-source";
import { prepareStream } from "./source/session";
import type { SlotHolder } from "./source/slot-holder";
import { monitorSlot } from "./source/slot-monitor";
import { prepareSource } from "./source/source";
import type { Status } from "./status";
import { HistoryProof } from "./stream/history-proof";
import { ownTables } from "./stream/own-tables";
import { openReplication } from "./stream/replication";
import { Stitcher } from "./stream/stitch";
import { tablePolicy } from "./stream/table-policy";

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
  await migrate(writing, settings);
  refuse(checkChangesTable(await readChangesTable(writing)));
  await ensurePartition(writing, monthOf(new Date()));

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

  const stream = releases.use(
    await openReplication({
      config: await servers.sourceConfig(),
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
      throw streamStartFailure(error, settings.source);
    }),
  );
  // The server has granted the slot to this worker alone; only now may it
  // fence off a predecessor (H13).
  status.epoch = undefined;
  let watermark = await claim(writing, source);
  status.epoch = watermark.epoch;
  if (watermark.timeline !== source.timeline) {
    // Once more: the former owner may have stored, from the former primary,
    // what this server never had.
    const position = commonPosition(watermark, source);
    const { timeline } = source;
    const moved = await recordTimeline(writing, watermark, {
      timeline,
      position,
    });
    if (!moved) throw fenced(slotName);
    log.warn(
      { from: watermark.timeline, to: timeline, position: formatLsn(position) },
      "the source was promoted; the trail goes on with the new timeline",
    );
    watermark = moved;
  }
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
    watermark: watermark.commitLsn,
    proof: new HistoryProof(
      watermark.commitLsn,
      await confirmedFlushLsn(catalog, slotName),
    ),
    maxValueBytes: settings.maxValueBytes,
    heartbeats: status.heartbeats,
    nowMs: Date.now,
  });

  releases.defer(() => status.endSession());
  status.beginSession(stitcher.counters, () => stream.frames.waitingBytes);
  monitorSlot({ catalog, slotName, status, log }, over.signal);
  const { heartbeats } = status;
  sendHeartbeats({ catalog, slotName, heartbeats, log }, over.signal);
  const activity = idleActivity();
  watchCondition({ status, stream, activity, log }, over.signal);
  keepPartitions({ servers, settings, log }, over.signal);
  keepIndexesMerged({ servers, status, log }, over.signal);
  status.confirmedLsn = formatLsn(watermark.position);
  watchHistory(
    {
      identify: async () => {
        // Its next connection looks the name up again as well, and there are
        // never more than two.
        await catalog[Symbol.asyncDispose]();
        return identifySource(settings, await servers.sourceConfig(), {
          database: { name: source.databaseName, oid: source.databaseOid },
        });
      },
      watermark,
      position: () => parseLsn(status.confirmedLsn ?? "0/0"),
      fail: (error) => stream.frames.fail(error),
    },
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
      destination: new Destination(writing, watermark, { status, log }),
      position: watermark.position,
      confirm(position) {
        stream.confirm(position);
        status.confirmedLsn = formatLsn(position);
        // Not sooner: a session that only begins and fails again would be
        // repeated for ever, and without a pause (H18).
        status.attempts = 0;
      },
      reached: (position) => heartbeats.reached(position),
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
