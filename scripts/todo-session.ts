/**
 * What a to-do application does in a minute, as an ORM package of Bemi does it:
 * each request's context goes into the write-ahead log, in the transaction of
 * the write it belongs to.
 */
import type { Client } from "pg";

interface Request {
  readonly endpoint: string;
  readonly method: "POST" | "PUT" | "DELETE";
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const userId = 187_234;
const insert = "INSERT INTO todo (task) VALUES ($1)";

const requests: readonly Request[] = [
  { endpoint: "/todo", method: "POST", sql: insert, values: ["Sleep"] },
  { endpoint: "/todo", method: "POST", sql: insert, values: ["Eat"] },
  { endpoint: "/todo", method: "POST", sql: insert, values: ["Repeat"] },
  {
    endpoint: "/todo/complete",
    method: "PUT",
    sql: "UPDATE todo SET is_completed = true WHERE id = $1",
    values: [26],
  },
  {
    endpoint: "/todo/27",
    method: "DELETE",
    sql: "DELETE FROM todo WHERE id = $1",
    values: [27],
  },
];

/** How many changes the session makes. */
export const sessionLength = requests.length;

/** The application's only table, whose next row has the id 26. */
export async function createTodoTable(client: Client): Promise<void> {
  await client.query(`
    CREATE TABLE todo (
      id serial PRIMARY KEY,
      task text,
      is_completed boolean NOT NULL DEFAULT false
    );
    ALTER SEQUENCE todo_id_seq RESTART WITH 26`);
}

export async function runTodoSession(client: Client): Promise<void> {
  for (const { endpoint, method, sql, values } of requests) {
    const context = { user_id: userId, endpoint, method, SQL: sql };
    await client.query("BEGIN");
    await client.query("SELECT pg_logical_emit_message(true, '_bemi', $1)", [
      JSON.stringify(context),
    ]);
    await client.query(sql, [...values]);
    await client.query("COMMIT");
  }
}
