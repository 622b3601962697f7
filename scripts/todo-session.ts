/** What somebody does with the to-do application in a minute, over HTTP. */
import type { Client } from "pg";

interface Request {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: { readonly task: string } | { readonly id: number };
}

const userId = 187_234;
const firstId = 26;

const requests: readonly Request[] = [
  { method: "POST", path: "/todo", body: { task: "Sleep" } },
  { method: "POST", path: "/todo", body: { task: "Eat" } },
  { method: "POST", path: "/todo", body: { task: "Repeat" } },
  { method: "PUT", path: "/todo/complete", body: { id: firstId } },
  { method: "DELETE", path: `/todo/${firstId + 1}` },
];

/** How many changes the session makes. */
export const sessionLength = requests.length;

/** To be called when the application has made its table. */
export async function prepareTodoSession(client: Client): Promise<void> {
  await client.query(`ALTER SEQUENCE todo_id_seq RESTART WITH ${firstId}`);
}

/** @param url of the application */
export async function runTodoSession(url: string): Promise<void> {
  for (const { method, path, body } of requests) {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        "X-User-Id": String(userId),
        ...(body ? { "Content-Type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = await response.text();
    if (!response.ok)
      throw new Error(
        `The to-do application answers ${method} ${path} with ${response.status}: ${answer}`,
      );
  }
}

/** A command for the user's own terminal. */
export function exampleRequest(url: string): string {
  return `curl ${new URL("/todo", url)} -H 'X-User-Id: 42' -H 'Content-Type: application/json' -d '{"task": "Nap"}'`;
}
