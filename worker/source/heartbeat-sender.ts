/**
 * Writes the heartbeat into the source's log, on the side connection. It needs
 * no table and no transaction; where it cannot be written the trail goes on
 * without, and only its delay in seconds is not known.
 */
import { describeError, type Log } from "../log";
import { errorCode } from "../sql-state";
import { HEARTBEAT_PREFIX, type Heartbeats } from "../stream/heartbeat";
import type { Catalog } from "./catalog";

const HEARTBEAT_MS = 30_000;

/** At once, then every 30 s until `signal`. */
export function sendHeartbeats(
  parts: {
    readonly catalog: Catalog;
    readonly slotName: string;
    readonly heartbeats: Heartbeats;
    readonly log: Log;
  },
  signal: AbortSignal,
): void {
  const { catalog, slotName, heartbeats, log } = parts;
  let isFailing = false;

  const send = async (): Promise<void> => {
    const content = heartbeats.next(slotName);
    try {
      await catalog.query(heartbeatSql(await versionNum(catalog), content));
      isFailing = false;
    } catch (error) {
      if (signal.aborted) return;
      heartbeats.failed(content);
      const denied = errorCode(error) === "42501";
      // Once: it is tried again, and would be said again, for ever. A lost
      // connection is said by the slot's monitor, which uses the same one.
      log[denied && !isFailing ? "warn" : "debug"](
        {
          error: describeError(error),
          ...(denied ? { remedy: GRANT_REMEDY } : {}),
        },
        "the heartbeat cannot be written to the source's log: the trail goes on, its delay in seconds is not known",
      );
      isFailing = denied;
    }
  };

  let timer: NodeJS.Timeout | undefined;
  const repeat = async (): Promise<void> => {
    await send();
    if (!signal.aborted) timer = setTimeout(() => void repeat(), HEARTBEAT_MS);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  void repeat();
}

const GRANT_REMEDY =
  "GRANT EXECUTE ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, text) TO the worker's role; from PostgreSQL 17 on the arguments are (boolean, text, text, boolean)";

async function versionNum(catalog: Catalog): Promise<number> {
  const [row] = await catalog.query<{ versionNum: number }>(
    `SELECT pg_catalog.current_setting('server_version_num')::int AS "versionNum"`,
  );
  return row?.versionNum ?? 0;
}

/**
 * Since 17 it can be flushed at once. Before, the server's WAL writer does it
 * within three rounds of `wal_writer_delay` (200 ms each by default), and that
 * much of the delay is the heartbeat's own.
 */
function heartbeatSql(version: number, content: string): string {
  const flush = version >= 170000 ? ", true" : "";
  // A slot's name has no quotes, and the rest is a UUID and a number.
  return `SELECT pg_catalog.pg_logical_emit_message(false, '${HEARTBEAT_PREFIX}', '${content}'${flush})`;
}
