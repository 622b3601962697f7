/**
 * The worker's reading and rendering with a destination that throws the rows
 * away: what the pipeline itself can do. A process of its own, on the worker's
 * variables.
 */
import { Servers } from "../../worker/network/servers";
import { runPipeline } from "../../worker/pipeline";
import { sourceIdentity } from "../../worker/row/change-row";
import { readSettings } from "../../worker/settings/settings";
import { verifySession } from "../../worker/source/session";
import { openReplication } from "../../worker/stream/replication";
import { Stitcher } from "../../worker/stream/stitch";

void discard();

async function discard(): Promise<void> {
  const settings = readSettings(process.env);
  const { slotName, publicationName, batchMaxBytes, batchMaxDelayMs } =
    settings;
  const stop = new AbortController();
  process.on("SIGTERM", () => stop.abort());
  await using servers = new Servers(settings, {
    applicationName: "bemi-bench",
    signal: stop.signal,
  });
  await using stream = await openReplication({
    config: await servers.sourceConfig(),
    slotName,
    publicationName,
    start: 0n,
    limitBytes: batchMaxBytes * 2,
    maxValueBytes: settings.maxValueBytes,
    prepare: verifySession,
    connectAgain: () => servers.connectSource(),
  });
  const source = { systemIdentifier: "1", databaseOid: 1, slotName };
  const stitcher = new Stitcher({
    policy: {
      database: "bench",
      describe: async () => ({
        tracked: true,
        primaryKey: ["id"],
        ignores: () => false,
      }),
      tracksDdlOf: () => true,
    },
    identity: sourceIdentity(source),
    watermark: 0n,
    maxValueBytes: settings.maxValueBytes,
    nowMs: Date.now,
  });
  const time = new Date().toISOString();
  process.stdout.write(`${JSON.stringify({ time, msg: "streaming" })}\n`);
  await runPipeline(
    {
      frames: stream.frames,
      stitcher,
      destination: {
        write: async () => undefined,
        recordPosition: async () => undefined,
      },
      position: 0n,
      confirm: (position) => stream.confirm(position),
      batchMaxBytes,
      batchMaxDelayMs,
    },
    stop.signal,
  );
}
