/**
 * Session options of the connection that changes are read through. pgoutput
 * prints values with the settings of its own session, which a database or a role
 * may have set to anything: the same row would come out as another text.
 * Options of the start-up packet win over ALTER DATABASE and ALTER ROLE.
 */
import type { ClientBase } from "pg";
import { OperatorError } from "../errors";
import { liftSessionTimeouts } from "../network/session-timeouts";

/**
 * `options` of the start-up packet. client_encoding is not among them: pg asks
 * for UTF8 by itself, in a parameter of its own.
 */
export const VALUE_SESSION_OPTIONS = [
  "DateStyle=ISO",
  "IntervalStyle=postgres",
  "extra_float_digits=3",
  "bytea_output=hex",
  "TimeZone=UTC",
  "lc_monetary=C",
  "quote_all_identifiers=off",
  // PostgreSQL 18 says with no more than a warning that it leaves out
  // changes.
  "client_min_messages=warning",
  "statement_timeout=0",
  "idle_in_transaction_session_timeout=0",
  "lock_timeout=0",
]
  .map((setting) => `-c ${setting}`)
  .join(" ");

/**
 * The last of the stream's own settings: a regclass and its like are printed
 * with their schema, unless the path finds them without. Not for the other
 * connections: an event trigger of the customer's may need the path of the role.
 *
 * @throws OperatorError naming each setting that differs.
 */
export async function prepareStream(client: ClientBase): Promise<void> {
  await client.query("SET search_path = pg_catalog");
  await liftSessionTimeouts(client);
  await verifySession(client);
}

/**
 * Asks the session itself, on an ordinary connection or a replication one. A
 * pooler drops start-up options, and a login trigger may change settings.
 *
 * @throws OperatorError naming each setting that differs.
 */
export async function verifySession(client: ClientBase): Promise<void> {
  const wrong: string[] = [];
  for (const [name, wanted] of Object.entries(WANTED)) {
    const { rows } = await client.query<Record<string, string>>(`SHOW ${name}`);
    const got = Object.values(rows[0] ?? {})[0];
    // The order of day and month does not matter to ISO.
    const value = name === "DateStyle" ? got?.split(",")[0] : got;
    if (value !== wanted) wrong.push(`${name} is ${got}, needed ${wanted}`);
  }
  if (wrong.length === 0) return;
  throw new OperatorError(
    `the session's settings would change the text of values: ${wrong.join("; ")}`,
    "connect to the server directly and not through a pooler, and let no login event trigger change the settings of this role",
  );
}

const WANTED = {
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  TimeZone: "UTC",
  lc_monetary: "C",
  quote_all_identifiers: "off",
  client_min_messages: "warning",
  client_encoding: "UTF8",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  lock_timeout: "0",
} as const;
