/** What the applications beside this file do, with MikroORM; and who asks. */
import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { BemiExtension, mergeContext } from "@bemi-db/mikro-orm";
import { EntitySchema, MikroORM } from "@mikro-orm/postgresql";

/** Whose row it is, which says whose context its changes should have. */
export interface NewNote {
  readonly id: number;
  readonly by: string;
}

class Note {
  id!: number;
  by!: string;
  body: string | null = null;
}

const notes = new EntitySchema<Note>({
  class: Note,
  tableName: "note",
  properties: {
    id: { type: "number", primary: true },
    by: { type: "string" },
    body: { type: "text", nullable: true },
  },
});

let opened: Promise<MikroORM> | undefined;

/** Opened once it is needed: `next build` loads this file as well. */
export function database(): Promise<MikroORM> {
  opened ??= MikroORM.init({
    clientUrl: String(process.env.DATABASE_URL),
    entities: [notes],
    extensions: [BemiExtension],
    pool: { min: 1, max: 5 },
  });
  return opened;
}

/** A flush, a pause of another length for each note, an update. */
export async function addNote({ id, by }: NewNote): Promise<NewNote> {
  const em = (await database()).em.fork();
  em.create(Note, { id, by, body: null });
  await em.flush();
  await sleep((id % 7) * 3);
  mergeContext({ noteId: id });
  await em.nativeUpdate(Note, { id }, { body: `of ${by}` });
  return { id, by };
}

export interface User {
  readonly id: string;
}

/** Takes its time, as a look-up of a session does. */
export async function login(
  headers: IncomingHttpHeaders,
): Promise<User | undefined> {
  await sleep(1);
  const id = headers["x-user"];
  return typeof id === "string" ? { id } : undefined;
}
