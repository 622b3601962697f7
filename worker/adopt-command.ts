/**
 * `adopt`: a trail goes on with another server: after a move that `drain` has
 * prepared, without a gap; after a restore, a divergent failover or a move that
 * nobody prepared, with a record of it.
 */
import type { Client } from "pg";
import { readBegunTrail } from "./begun-trail";
import { migrate } from "./destination/destination-schema";
import { readDrained, recordMove } from "./destination/move";
import { readWatermark, type Watermark } from "./destination/watermark";
import { EXIT_CODE, OperatorError } from "./errors";
import { refuse } from "./finding";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";
import { commonPosition } from "./source/continuity";
import { identifySource, type SourceServer } from "./source/identify-source";
import { checkServer } from "./source/preflight-server";
import { checkSlot } from "./source/preflight-slot";
import { setUpSource } from "./source/setup";
import { readSourceFacts, type SlotFacts } from "./source/source-facts";
import { givesAgain } from "./source/undelivered";

export interface AdoptOptions {
  /** For the gap, where the former server was not drained. */
  readonly reason?: string;
  readonly yes: boolean;
}

export async function runAdopt(
  settings: Settings,
  { reason, yes }: AdoptOptions,
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  await using servers = new Servers(settings, {
    applicationName: "bemi-worker adopt",
    signal,
  });
  const known = await readBegunTrail(settings, servers);
  const destination = await servers.connectDestination();
  await migrate(destination, settings);
  const client = await servers.connectSource();
  const facts = await readSourceFacts(client, settings);
  refuse(checkServer(facts));
  refuse(checkSlot(facts, { ...settings, willSetUp: true }));
  const watermark =
    (await readWatermark(destination, known.databaseName, known.slotName)) ??
    known;
  const server = await identifySource(
    settings,
    await servers.sourceConfig(),
    facts,
    watermark.timeline,
  );
  const isThis =
    isOwn(watermark, server) &&
    (await hasLastStored(client, settings, watermark, facts.slot));
  if (isThis) {
    log.info("there is nothing to adopt: the trail is this server's already");
    return EXIT_CODE.stopped;
  }
  const drained = await readDrained(destination, watermark);
  const move = `the trail leaves system ${watermark.systemIdentifier} (timeline ${watermark.timeline}) at ${formatLsn(watermark.position)} and goes on with system ${server.systemIdentifier} (timeline ${server.timeline})`;
  if (drained === undefined && !(yes && reason)) {
    throw new OperatorError(
      `${move}; the former server was not drained, so what was committed there after that, or here before now, will be missing`,
      'to go on and note the gap: adopt --reason "what happened" --yes',
    );
  }
  if (!yes) {
    throw new OperatorError(
      `${move}; the former server was drained at ${drained}`,
      "when nothing was written there since, and nothing here yet but the copy of its data: adopt --yes",
    );
  }
  await setUpSource(client, settings, log);
  const position = await beginning(client, settings, watermark, server);
  const gapReason = drained === undefined ? reason : undefined;
  await recordMove(destination, watermark, {
    source: server,
    position,
    gapReason,
  });
  log.warn(
    {
      from: formatLsn(watermark.position),
      to: formatLsn(position),
      ...(drained ? { drained } : { reason }),
    },
    drained
      ? "adopted without a gap; start the worker"
      : "adopted, and gap recorded; start the worker",
  );
  return EXIT_CODE.stopped;
}

function isOwn(watermark: Watermark, server: SourceServer): boolean {
  try {
    commonPosition(watermark, server);
    return true;
  } catch (error) {
    if (error instanceof OperatorError) return false;
    throw error;
  }
}

/** What neither system, timeline nor positions tell: a clone that wrote on. */
async function hasLastStored(
  client: Client,
  { slotName, publicationName }: Settings,
  { commitLsn }: Watermark,
  slot: SlotFacts | undefined,
): Promise<boolean> {
  if (!slot?.confirmedFlushLsn || slot.active || commitLsn === 0n) return true;
  if (parseLsn(slot.confirmedFlushLsn) > commitLsn) return true;
  return givesAgain(client, { slotName, publicationName, commitLsn });
}

/**
 * Where the slot stands. One that came along in a copy of the same system stands
 * before changes that the trail has: it is moved to the end of what both share,
 * or, where that is not known (a clone), to the present, so that nothing is
 * doubled.
 */
async function beginning(
  client: Client,
  settings: Settings,
  watermark: Watermark,
  server: SourceServer,
): Promise<Lsn> {
  const { slot } = await readSourceFacts(client, settings);
  const stands = parseLsn(slot?.confirmedFlushLsn ?? "");
  if (server.systemIdentifier !== watermark.systemIdentifier) return stands;
  const shared = server.switches.find(
    ({ timeline }) => timeline === watermark.timeline,
  );
  const end = shared?.endLsn ?? server.flushLsn;
  if (stands >= end) return stands;
  const { rows } = await client.query<{ lsn: string }>(
    "SELECT end_lsn::text AS lsn FROM pg_catalog.pg_replication_slot_advance($1, $2)",
    [settings.slotName, formatLsn(end)],
  );
  return parseLsn(rows[0]?.lsn ?? "");
}
