/** The bundled worker run to its end, and what it left on the servers. */
import type { Client } from "pg";
import type { LogLine } from "../../scripts/logged-process";
import { WorkerProcess } from "./worker-process";

export interface CommandResult {
  readonly code: number | null;
  readonly lines: readonly LogLine[];
  readonly last: LogLine | undefined;
  readonly fatal: readonly LogLine[];
  readonly stdout: string;
  readonly stderr: string;
}

/** What should end and streams instead must not keep jest from ending. */
const timeoutMs = 90_000;

export async function runCommand(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<CommandResult> {
  await using worker = WorkerProcess.start(env, { args });
  const timer = setTimeout(() => worker.signal("SIGKILL"), timeoutMs);
  const { code } = await worker.exited;
  clearTimeout(timer);
  const { lines, stdout, stderr } = worker;
  const fatal = lines.filter(({ level }) => level === "fatal");
  return { code, lines, last: lines.at(-1), fatal, stdout, stderr };
}

/** Everything that a set-up could make or alter in a database, as text. */
export async function catalogueOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ thing: string }>(`
    SELECT 'relation ' || c.oid::regclass::text || ' ' || c.relkind::text || ' ' || c.relreplident::text AS thing
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'function ' || p.oid::regprocedure::text || ' ' || md5(prosrc) FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'publication ' || pubname FROM pg_publication
    UNION ALL SELECT 'published ' || prrelid::regclass::text FROM pg_publication_rel
    UNION ALL SELECT 'event trigger ' || evtname || evtenabled::text FROM pg_event_trigger
    UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots
    ORDER BY 1`);
  return rows.map(({ thing }) => thing).join("\n");
}
