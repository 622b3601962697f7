import { readEnvironment } from "../../config/read-environment";
import { DERIVED_VARIABLES } from "../../config/settings-rules";
import { workerVariables } from "../../config/worker-variables";
import { readSettings } from "../../worker/settings/settings";
import { environmentFile } from "../support/environments";

/** The rest of what a worker needs. */
const needed = {
  DB_HOST: "shop.example",
  DB_NAME: "shop",
  DB_USER: "bemi",
  DB_PASSWORD: "secret",
  DEST_DB_HOST: "audit.example",
  DEST_DB_NAME: "audit",
  DEST_DB_USER: "bemi",
  DEST_DB_PASSWORD: "secret",
};

function isDeployed(name: string, value: string): boolean {
  const file = environmentFile("direct");
  if (file.worker) file.worker.settings = { [name]: value };
  try {
    readEnvironment("shop.json", JSON.stringify(file));
    return true;
  } catch {
    return false;
  }
}

function starts(name: string, value: string): boolean {
  try {
    readSettings({ ...needed, [name]: value });
    return true;
  } catch {
    return false;
  }
}

const values: Readonly<Record<string, readonly string[]>> = {
  integer: [
    "1",
    "30",
    "0",
    "-1",
    "1.5",
    "1e3",
    "abc",
    " 1",
    "99999999999999999",
  ],
  choice: [
    "auto",
    "never",
    "on",
    "off",
    "info",
    "verify-full",
    "prefer",
    "loud",
  ],
  identifier: [
    "bemi",
    "bemi_2",
    "Bemi",
    "be-mi",
    "a".repeat(63),
    "a".repeat(64),
  ],
  host: ["db.example", "10.0.0.1", "::1", "db:5432", "https://db", "a b"],
  tablePatterns: [
    ...["public.*", "!public.a", '"a.b".c', "a.b,c.d", "a", "a.b.c", "a.b,"],
    ...['"a', "pg_catalog.x", "_bemi.x", "!_bemi.x"],
  ],
  columnPatterns: ["a", "a.b", "a.b.c", "a.b.c.d", "!a", "*_at", ",", '"a'],
};

const settable = Object.entries(workerVariables).filter(
  ([name, { secret, type }]) =>
    !secret && type in values && !DERIVED_VARIABLES.has(name),
);

test("the variables that a file can set are these", () => {
  expect(settable.map(([name]) => name)).toEqual([
    "DB_SSLMODE",
    "DEST_DB_SSLMODE",
    "DEST_DB_SSL_SERVERNAME",
    "SLOT_NAME",
    "PUBLICATION_NAME",
    "TRACK_TABLES",
    "IGNORE_COLUMNS",
    "SETUP",
    "BATCH_MAX_BYTES",
    "BATCH_MAX_DELAY_MS",
    "MAX_VALUE_BYTES",
    "INDEX_VALUES",
    "RETENTION_DAYS",
    "LOG_LEVEL",
  ]);
});

test.each(settable)(
  "%s is deployed just when the worker takes it",
  (name, { type }) => {
    const tried = values[type] ?? [];
    const deployed = tried.filter((value) => isDeployed(name, value));
    expect(deployed).toEqual(tried.filter((value) => starts(name, value)));
    expect(deployed.length).toBeLessThan(tried.length);
  },
);
