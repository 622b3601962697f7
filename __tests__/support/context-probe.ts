/** Asks an application of `__tests__/mikro-orm/frameworks` for many notes at once. */
import { eventually } from "../../scripts/eventually";
import type { TrackedDatabase } from "./tracked-database";

export interface ContextProbe {
  /** Begins the name of each of its users. */
  readonly name: string;
  readonly port: unknown;
  readonly path: string;
  /** What a browser sends with the form of a server action. */
  readonly formField?: string | undefined;
  /** Of every change; beside it stands its request's user. */
  readonly context: Readonly<Record<string, unknown>>;
}

const AT_ONCE = 60;
const MUTATION =
  "mutation Add($id: Int!, $by: String!) { addNote(id: $id, by: $by) { id } }";

let lastId = 0;

/** Every note is an INSERT and, later in the same request or job, an UPDATE. */
export async function everyChangeHasItsOwnContext(
  tracked: TrackedDatabase,
  probe: ContextProbe,
): Promise<void> {
  // The second time on connections that carried other users' requests.
  await askAtOnce(probe);
  await askAtOnce(probe);
  // Jobs go on after their requests.
  const expected = 2 * 2 * AT_ONCE;
  const rows = await eventually(`${expected} changes arrive`, async () => {
    const rows = await changesOf(tracked, probe.name);
    return rows.length >= expected && rows;
  });
  expect(rows).toHaveLength(expected);
  for (const { operation, id, by, context } of rows)
    expect(context).toEqual({
      ...probe.context,
      ...(by.endsWith("nobody") ? {} : { userId: by }),
      ...(operation === "UPDATE" ? { noteId: id } : {}),
    });
}

/** Each request has a user of its own, and every fifth has none. */
async function askAtOnce(probe: ContextProbe): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const id = ++lastId;
      const known = id % 5 > 0;
      const by = `${probe.name} ${known ? id : "nobody"}`;
      const { port, path } = probe;
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        ...requestOf(probe, { id, by }, known ? { "x-user": by } : {}),
      });
      const text = await response.text();
      return response.ok && !text.includes('"errors"') ? "written" : text;
    }),
  );
  expect(new Set(answers)).toEqual(new Set(["written"]));
}

function requestOf(
  { port, path, formField }: ContextProbe,
  note: { readonly id: number; readonly by: string },
  user: Readonly<Record<string, string>>,
): Pick<RequestInit, "headers" | "body"> {
  if (formField) {
    const body = new FormData();
    body.set(formField, "");
    for (const [name, value] of Object.entries(note))
      body.set(name, String(value));
    return {
      headers: { ...user, origin: `http://127.0.0.1:${port}` },
      body,
    };
  }
  const mutation = { operationName: "Add", query: MUTATION, variables: note };
  return {
    headers: { "content-type": "application/json", ...user },
    body: JSON.stringify(path === "/graphql" ? mutation : note),
  };
}

interface NoteChange {
  readonly operation: string;
  readonly id: number;
  readonly by: string;
  readonly context: object;
}

async function changesOf(
  tracked: TrackedDatabase,
  name: string,
): Promise<NoteChange[]> {
  await tracked.caughtUp();
  const { rows } = await tracked.destination.client.query<NoteChange>(
    `SELECT operation, (after->>'id')::int AS id, after->>'by' AS by, context
       FROM changes WHERE "table" = 'note' AND after->>'by' LIKE $1`,
    [`${name} %`],
  );
  return rows;
}
