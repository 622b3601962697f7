/**
 * Which history the source's positions belong to. Asked on a replication
 * connection: only a server itself answers, a pooler in front of it does not,
 * and without the privilege to replicate nothing else makes sense.
 */
import type { Client, ClientConfig } from "pg";
import type { TrailSource } from "../destination/watermark";
import { type Lsn, parseLsn } from "../lsn";
import { connect, connectFailure } from "../network/connect";
import type { Settings } from "../settings/settings";
import type { SourceFacts } from "./source-facts";

/** A server, and the history of its log. */
export interface SourceServer extends TrailSource {
  /** Its log is on disk up to here. */
  readonly flushLsn: Lsn;
  /** Where former timelines ended; empty unless an earlier one was asked for. */
  readonly switches: readonly TimelineSwitch[];
}

export interface TimelineSwitch {
  readonly timeline: number;
  /** The next timeline has nothing of this one from here on. */
  readonly endLsn: Lsn;
}

/** `since`: the timeline that a trail was last on. */
export async function identifySource(
  settings: Pick<Settings, "source" | "slotName">,
  config: ClientConfig,
  { database }: Pick<SourceFacts, "database">,
  since?: number,
): Promise<SourceServer> {
  const client = await connect(settings.source, {
    ...config,
    replication: "database",
  } as ClientConfig);
  try {
    const { rows } = await client.query("IDENTIFY_SYSTEM");
    const timeline = Number(rows[0].timeline);
    return {
      databaseName: database.name,
      databaseOid: database.oid,
      systemIdentifier: String(rows[0].systemid),
      timeline,
      slotName: settings.slotName,
      flushLsn: parseLsn(String(rows[0].xlogpos)),
      switches:
        since !== undefined && since < timeline
          ? await timelineHistory(client, timeline)
          : [],
    };
  } catch (error) {
    throw connectFailure(error, settings.source);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function timelineHistory(
  client: Client,
  timeline: number,
): Promise<TimelineSwitch[]> {
  const { rows } = await client.query(`TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(String(rows[0].content));
}

/** A timeline history file: number, switch point, reason, by tabs. */
export function parseTimelineHistory(content: string): TimelineSwitch[] {
  return content.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+([\dA-F]+\/[\dA-F]+)/i.exec(line);
    if (!match) return [];
    const [, timeline, endLsn] = match;
    return [{ timeline: Number(timeline), endLsn: parseLsn(String(endLsn)) }];
  });
}
