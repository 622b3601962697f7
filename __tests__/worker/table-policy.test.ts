/** What a failed look-up in the catalogue costs. */
import { DatabaseError } from "pg";
import pino from "pino";
import { UnreachableError } from "../../worker/errors";
import { readSettings } from "../../worker/settings/settings";
import { Status } from "../../worker/status";
import { tablePolicy } from "../../worker/stream/table-policy";

const settings = readSettings({
  DB_HOST: "127.0.0.1",
  DB_NAME: "shop",
  DB_USER: "app",
  DB_PASSWORD: "hush",
});
const message = { oid: 1, schema: "public", table: "todo" } as never;

function serverError(code: string): DatabaseError {
  return Object.assign(new DatabaseError("no", 2, "error"), { code });
}

function lookUp(error: Error) {
  const status = new Status();
  const { describe } = tablePolicy({
    settings,
    source: { databaseName: "shop" } as never,
    catalog: { table: () => Promise.reject(error) },
    own: () => false,
    trackedOids: [],
    status,
    log: pino({ level: "silent" }),
  });
  return { status, described: describe(message, undefined) };
}

test.each<[string, Error]>([
  ["that it refuses", serverError("42501")],
  ["that takes too long", serverError("57014")],
  [
    "for which it has no connection",
    new UnreachableError("full", { cause: serverError("53300") }),
  ],
])("a look-up %s costs no more than the key", async (_, error) => {
  const { status, described } = lookUp(error);
  expect(await described).toMatchObject({ tracked: true });
  expect((await described).primaryKey).toBeUndefined();
  expect(status.keyLookupFailures).toBe(1);
});

test.each<[string, Error]>([
  ["a connection that broke", new Error("Connection terminated")],
  ["a server that is down", new UnreachableError("down")],
  ["a server that shuts down", serverError("57P01")],
  [
    "a server that starts up",
    new UnreachableError("starting", { cause: serverError("57P03") }),
  ],
])("%s is tried again, and no key is guessed", async (_, error) => {
  await expect(lookUp(error).described).rejects.toBe(error);
});
