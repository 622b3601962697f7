/** What goes on beside the stream, on connections of its own, until its end. */
import { watchCondition } from "./condition-watch";
import { keepIndexesMerged } from "./destination/index-upkeep";
import { keepPartitions } from "./destination/partition-upkeep";
import type { Watermark } from "./destination/watermark";
import type { Log } from "./log";
import { parseLsn } from "./lsn";
import type { Servers } from "./network/servers";
import type { Activity } from "./pipeline";
import type { Settings } from "./settings/settings";
import type { Catalog } from "./source/catalog";
import { sendHeartbeats } from "./source/heartbeat-sender";
import { watchHistory } from "./source/history-watch";
import { identifySource } from "./source/identify-source";
import { monitorSlot } from "./source/slot-monitor";
import type { Status } from "./status";
import type { ReplicationStream } from "./stream/replication";

export interface UpkeepParts {
  readonly settings: Settings;
  readonly servers: Servers;
  readonly catalog: Catalog;
  readonly stream: ReplicationStream;
  readonly activity: Activity;
  readonly watermark: Watermark;
  readonly status: Status;
  readonly log: Log;
}

/** None of it stops the stream but a source that turns out to be another. */
export function startUpkeep(parts: UpkeepParts, signal: AbortSignal): void {
  const { settings, catalog, status, stream, log } = parts;
  const { slotName } = settings;
  const { heartbeats } = status;
  monitorSlot({ catalog, slotName, status, log }, signal);
  sendHeartbeats({ catalog, slotName, heartbeats, log }, signal);
  watchCondition(parts, signal);
  keepPartitions(parts, signal);
  keepIndexesMerged(parts, signal);
  watchHistory(
    {
      identify: () => identifyAgain(parts),
      watermark: parts.watermark,
      position: () => parseLsn(status.confirmedLsn ?? "0/0"),
      fail: (error) => stream.frames.fail(error),
    },
    signal,
  );
}

async function identifyAgain(parts: UpkeepParts) {
  const { settings, servers, catalog, watermark } = parts;
  // Its next connection looks the name up again as well, and there are never
  // more than two.
  await catalog[Symbol.asyncDispose]();
  return identifySource(settings, await servers.sourceConfig(), {
    database: { name: watermark.databaseName, oid: watermark.databaseOid },
  });
}
