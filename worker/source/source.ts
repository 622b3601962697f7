/**
 * The source before the first row: which server it is, whether it can be
 * tracked, what the first run has to make, and whether it goes on where the
 * destination stopped.
 */
import { type Client, type ClientConfig, escapeLiteral } from "pg";
import {
  createWatermark,
  formerName,
  readWatermark,
  type Watermark,
} from "../destination/watermark";
import { OperatorError, StandbyError } from "../errors";
import { type Finding, refuse } from "../finding";
import type { Log } from "../log";
import { connect } from "../network/connect";
import { liftSessionTimeouts } from "../network/session-timeouts";
import type { Settings } from "../settings/settings";
import { checkContinuity } from "./continuity";
import { identifySource, type SourceServer } from "./identify-source";
import { checkSource } from "./preflight";
import { checkServer } from "./preflight-server";
import { setUpSource } from "./setup";
import { readSourceFacts, type SourceFacts } from "./source-facts";
import { isTracked, readTables } from "./tracked-tables";

export interface PreparedSource {
  readonly source: SourceServer;
  /** As read now; a running owner of the slot may still move it. */
  readonly watermark: Watermark;
  /** OIDs of the tables that are tracked now. */
  readonly trackedOids: readonly number[];
}

/**
 * @throws OperatorError, ConfigurationError with everything that keeps this
 * source from being tracked.
 */
export async function prepareSource(parts: {
  readonly settings: Settings;
  readonly config: ClientConfig;
  /** Connection to the destination, migrated. */
  readonly writing: Client;
  readonly log: Log;
}): Promise<PreparedSource> {
  const { settings, config, writing, log } = parts;
  const client = await connect(settings.source, config);
  try {
    // The slot may have to wait for transactions to end.
    await liftSessionTimeouts(client);
    // The slot is read before the watermark: a worker that still runs moves the
    // watermark first, so a slot ahead of it is a gap and not a race. The end of
    // the log is read after it: a log that ends before it was set back.
    const facts = await readSourceFacts(client, settings);
    const known = await readWatermark(
      writing,
      facts.database.name,
      settings.slotName,
    );
    if (known && facts.inRecovery) throw standby(facts);
    const source = await identifySource(
      settings,
      config,
      facts,
      known?.timeline,
    );
    if (known) {
      checkContinuity(known, source, facts.slot);
      const trackedOids = await check(client, facts, settings, log);
      return { source, watermark: known, trackedOids };
    }
    await checkNotRenamed(writing, source);
    if (settings.setup === "auto") await setUpSource(client, settings, log);
    return await begin(client, source, parts);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * What makes a trail begin anew would pass over what is missing, and give ids
 * that are there already.
 */
async function checkNotRenamed(
  writing: Client,
  source: SourceServer,
): Promise<void> {
  const former = await formerName(writing, source);
  if (former === undefined) return;
  const { databaseName, slotName } = source;
  const [from, to, slot] = [former, databaseName, slotName].map(escapeLiteral);
  throw new OperatorError(
    `the destination has a trail of slot "${slotName}" and of this very database, but under the name "${former}": it was renamed, or this is a copy of its server`,
    `if it was renamed, run at the destination: UPDATE public._bemi_watermarks SET database_name = ${to} WHERE database_name = ${from} AND slot_name = ${slot}; and start the worker again, nothing is lost; of a copy choose another SLOT_NAME`,
  );
}

function standby(facts: SourceFacts): StandbyError {
  return new StandbyError(
    checkServer(facts)
      .filter(({ code }) => code === "standby")
      .map(({ message, remedy }) => `${message}: ${remedy}`),
  );
}

/** A trail begins where its slot stands, made now or by somebody before. */
async function begin(
  client: Client,
  source: SourceServer,
  { settings, writing, log }: Parameters<typeof prepareSource>[0],
): Promise<PreparedSource> {
  const facts = await readSourceFacts(client, settings);
  const trackedOids = await check(client, facts, settings, log);
  const position = facts.slot?.confirmedFlushLsn;
  if (!position) throw new Error("the slot has no position");
  await createWatermark(writing, source, position);
  const { flushLsn: _, switches: __, ...known } = source;
  log.info({ position, ...known }, "a new trail begins");
  const watermark = await readWatermark(
    writing,
    source.databaseName,
    source.slotName,
  );
  if (!watermark) throw new Error("the watermark row is gone");
  return { source, watermark, trackedOids };
}

/**
 * Writes of the application that fail are no reason to stop a trail: they fail
 * all the same without it, and what does go through would be missing. A WAL
 * sender may be free again when the stream asks for it.
 */
const PASSING: ReadonlySet<string> = new Set([
  "table-writes-fail",
  "no-free-wal-sender",
]);

/** Refuses a source that cannot be tracked; the OIDs of the tracked tables. */
async function check(
  client: Client,
  facts: SourceFacts,
  settings: Settings,
  log: Log,
): Promise<number[]> {
  const tables = await readTables(client);
  const findings = checkSource(facts, tables, settings);
  const stops = ({ severity, code }: Finding) =>
    severity === "error" && !PASSING.has(code);
  for (const finding of findings) {
    if (stops(finding)) continue;
    const { severity, code, message, remedy } = finding;
    log[severity === "error" ? "error" : "warn"]({ code, remedy }, message);
  }
  refuse(findings.filter(stops));
  return tables
    .filter((table) => isTracked(table, settings))
    .map(({ oid }) => oid);
}
