/**
 * Both servers as they are, before anything is written: the same look for
 * `check` and for a worker's first start, so that a refusal leaves nothing
 * behind, neither a table at the destination nor a slot at the source.
 */

import {
  findWatermark,
  readDestinationFacts,
} from "./destination/destination-facts";
import { appliedMigrations } from "./destination/destination-schema";
import {
  checkChangesTable,
  readChangesTable,
} from "./destination/preflight-changes";
import { checkDestination } from "./destination/preflight-destination";
import type { Watermark } from "./destination/watermark";
import { type Finding, refuse } from "./finding";
import type { Log } from "./log";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";
import { checkContinuity } from "./source/continuity";
import { identifySource } from "./source/identify-source";
import { checkSource } from "./source/preflight";
import { checkPlan } from "./source/publication-plan-check";
import {
  administratorRemedy,
  rehearseSetUp,
  untriedSetUp,
} from "./source/rehearsal";
import { verifySession } from "./source/session";
import { type Situation, setUpSteps } from "./source/set-up-steps";
import { readSourceFacts } from "./source/source-facts";
import { readSchemas, readTables } from "./source/tracked-tables";

/** @throws what keeps a worker from starting, with everything that does. */
export async function refuseUnfit(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  await using servers = new Servers(settings, {
    applicationName: `bemi-worker ${settings.slotName}`,
    signal,
  });
  const { findings, watermark } = await inspectDestination(settings, servers);
  if (!watermark) {
    findings.push(
      ...(await inspectSource(settings, servers, { rehearses: true })),
    );
  }
  // The trail reads the source again, and says its warnings then.
  for (const { severity, code, message, remedy } of findings) {
    if (severity === "error" || !code.startsWith("destination")) continue;
    log.warn({ code, remedy }, message);
  }
  refuse(findings);
}

export async function inspectDestination(
  settings: Settings,
  servers: Servers,
): Promise<{ findings: Finding[]; watermark: Watermark | undefined }> {
  const client = await servers.connectDestination();
  const facts = await readDestinationFacts(client);
  const { database } = settings.source;
  const { slotName } = settings;
  const findings = checkDestination(facts, settings);
  const { tables, foreignOwned } = facts;
  const isReadable =
    tables.includes("_bemi_migrations") && foreignOwned.length === 0;
  if (isReadable && (await appliedMigrations(client)) > 0) {
    findings.push(...checkChangesTable(await readChangesTable(client)));
  }
  return {
    findings,
    watermark: await findWatermark(client, facts, { database, slotName }),
  };
}

/** `watermark`: of the trail that is to go on; without it, one is to begin. */
export async function inspectSource(
  settings: Settings,
  servers: Servers,
  {
    watermark,
    rehearses = false,
  }: {
    readonly watermark?: Watermark | undefined;
    /** What the set-up would make is made and taken back. */
    readonly rehearses?: boolean;
  },
): Promise<Finding[]> {
  const config = await servers.sourceConfig();
  const client = await servers.connectSource();
  const now: Situation = {
    facts: await readSourceFacts(client, settings),
    tables: await readTables(client),
    schemas: await readSchemas(client),
  };
  // In the worker's own order: a slot that is gone is a gap for a trail that
  // is to go on, and merely missing for one that is to begin.
  if (watermark && !now.facts.inRecovery) {
    const { timeline } = watermark;
    const server = await identifySource(settings, config, now.facts, timeline);
    checkContinuity(watermark, server, now.facts.slot);
  }
  const willSetUp = !watermark && settings.setup === "auto";
  const findings = checkSource(now.facts, now.tables, {
    ...settings,
    willSetUp,
  });
  if (willSetUp && !now.facts.publication) {
    findings.push(...checkPlan(now, settings));
  }
  if (findings.some(({ severity }) => severity === "error")) {
    return willSetUp
      ? findings.map((one) => complete(one, now, settings))
      : findings;
  }
  // Asked last: a role without the privilege has its own, better sentence.
  if (!watermark) await identifySource(settings, config, now.facts);
  await verifySession(client);
  if (willSetUp && rehearses) await rehearseSetUp(client, now, settings);
  else if (willSetUp) findings.push(...untriedSetUp(now, settings));
  return findings;
}

/**
 * A role that may not replicate will not be let make the rest either: the
 * administrator gets all the SQL at once, and not the next part at each start.
 */
function complete(
  finding: Finding,
  now: Situation,
  settings: Settings,
): Finding {
  const isAlone = setUpSteps(now, settings).length === 0;
  if (finding.code !== "role-without-replication" || isAlone) return finding;
  return { ...finding, remedy: administratorRemedy(now, settings) };
}
