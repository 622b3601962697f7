/**
 * One session of the trail: connect, check, stream, until something ends it.
 * Everything opened here is closed in reverse order, whatever happens.
 */

import { checkNotFenced, claim } from "./destination/claim";
import { Destination } from "./destination/destination";
import { migrate } from "./destination/destination-schema";
import { keepPartitions } from "./destination/partition-upkeep";
import { ensurePartition, monthOf } from "./destination/partitions";
import type { Log } from "./log";
import { formatLsn } from "./lsn";
import { connect, connectionConfig } from "./network/connect";
import { openTunnel } from "./network/tunnel";
import { runPipeline } from "./pipeline";
import { Releases } from "./releases";
import { sourceIdentity } from "./row/change-row";
import type { Settings } from "./settings/settings";
import { Catalog } from "./source/catalog";
import { VALUE_SESSION_OPTIONS, verifySession } from "./source/session";
import { monitorSlot } from "./source/slot-monitor";
import { prepareSource } from "./source/source";
import type { Status } from "./status";
import { ownTables } from "./stream/own-tables";
import { openReplication } from "./stream/replication";
import { Stitcher } from "./stream/stitch";
import { tablePolicy } from "./stream/table-policy";

/** Batches that may wait as frames while one is being written. */
const QUEUED_BATCHES = 2;

export async function runTrail(
  parts: {
    readonly settings: Settings;
    readonly status: Status;
    readonly log: Log;
  },
  signal: AbortSignal,
): Promise<void> {
  const { settings, status, log } = parts;
  const { slotName, publicationName } = settings;
  const applicationName = `bemi-worker ${slotName}`;
  await using releases = new Releases();
  const over = new AbortController();
  releases.defer(() => over.abort());

  const tunnel = settings.ssh
    ? releases.use(await openTunnel(settings.ssh, signal))
    : undefined;
  const sourceConfig = () =>
    connectionConfig(settings.source, {
      applicationName,
      options: VALUE_SESSION_OPTIONS,
      ...(tunnel ? { tunnel } : {}),
    });

  const connectDestination = async () =>
    connect(
      settings.destination,
      await connectionConfig(settings.destination, {
        applicationName,
        options: DESTINATION_OPTIONS,
        ...(tunnel && settings.destinationIsSource ? { tunnel } : {}),
      }),
    );

  // The destination first: a slot holds back the source's log from the moment
  // it is made, and is of no use before its rows have a place.
  const writing = await connectDestination();
  releases.defer(() => writing.end());
  await migrate(writing, settings);
  await ensurePartition(writing, monthOf(new Date()));

  const { source, watermark: known } = await prepareSource({
    settings,
    config: await sourceConfig(),
    writing,
    log,
  });
  checkNotFenced(known, status.epoch);
  const catalog = releases.use(
    new Catalog(async () => connect(settings.source, await sourceConfig())),
  );

  const stream = releases.use(
    await openReplication({
      config: await sourceConfig(),
      slotName,
      publicationName,
      start: known.commitLsn,
      limitBytes: settings.batchMaxBytes * QUEUED_BATCHES,
      prepare: verifySession,
    }),
  );
  // The server has granted the slot to this worker alone; only now may it
  // fence off a predecessor (H13).
  status.epoch = undefined;
  const watermark = await claim(writing, source);
  status.epoch = watermark.epoch;
  const stitcher = new Stitcher({
    policy: tablePolicy({
      settings,
      source,
      catalog,
      status,
      log,
      own: await ownTables(writing, source),
    }),
    identity: sourceIdentity(
      source.systemIdentifier,
      source.databaseOid,
      slotName,
    ),
    watermark: watermark.commitLsn,
    maxValueBytes: settings.maxValueBytes,
    nowMs: Date.now,
  });

  releases.defer(() => status.endSession());
  status.beginSession(stitcher.counters, () => stream.frames.waitingBytes);
  monitorSlot({ catalog, slotName, status, log }, over.signal);
  const { retentionDays } = settings;
  keepPartitions(
    { connect: connectDestination, retentionDays, log },
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
  await runPipeline(
    {
      frames: stream.frames,
      stitcher,
      destination: new Destination(writing, watermark),
      position: watermark.position,
      confirm(position) {
        stream.confirm(position);
        status.confirmedLsn = formatLsn(position);
        // Not sooner: a session that only begins and fails again would be
        // repeated for ever, and without a pause (H18).
        status.attempts = 0;
      },
      batchMaxBytes: settings.batchMaxBytes,
      batchMaxDelayMs: settings.batchMaxDelayMs,
    },
    signal,
  );
}

/** A frozen worker's transaction must not hold the watermark for ever. */
const DESTINATION_OPTIONS =
  "-c TimeZone=UTC -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=60000";
