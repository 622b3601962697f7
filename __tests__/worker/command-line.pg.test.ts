/** The worker as a command: usage, variables, `check`, `setup`, the bundle alone. */

import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { LoggedProcess } from "../../scripts/logged-process";
import { catalogueOf, runCommand } from "../support/command";
import { serverMajor } from "../support/majors";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

const root = dirname(dirname(__dirname));

describe("wrong variables, before anything is connected to", () => {
  const unconnectable = {
    DB_HOST: "192.0.2.1",
    DB_NAME: "shop",
    DB_USER: "app",
    DB_PASSWORD: "hush-4711",
  };

  test.each<[string, Record<string, string>, readonly RegExp[]]>([
    [
      "a port",
      { DB_PORT: "abc" },
      [/^DB_PORT: got "abc", allowed: a whole number from 1 to 65535/],
    ],
    [
      "several at once",
      {
        DB_PORT: "0",
        HTTP_PORT: "65536",
        SLOT_NAME: "Bemi!",
        SETUP: "maybe",
        LOG_LEVEL: "loud",
        DEST_DB_NAME: "trail",
        SSH_HOST: "jump",
        BATCH_MAX_BYTES: "4MB",
      },
      [
        /^DB_PORT: got "0"/,
        /^DEST_DB_HOST: not set/,
        /^DEST_DB_USER: not set/,
        /^DEST_DB_PASSWORD: not set/,
        /^SSH_USER: not set/,
        /^SSH_PRIVATE_KEY: not set/,
        /^SSH_HOST_KEY: not set/,
        /^SLOT_NAME: got "Bemi!"/,
        /^SETUP: got "maybe", allowed: auto, never/,
        /^BATCH_MAX_BYTES: got "4MB"/,
        /^HTTP_PORT: got "65536"/,
        /^LOG_LEVEL: got "loud"/,
      ],
    ],
  ])("%s", async (_name, wrong, problems) => {
    for (const command of [[], ["check"], ["setup"], ["gap"]]) {
      const env = { ...unconnectable, ...wrong };
      const { code, lines, stdout, stderr } = await runCommand(env, ...command);
      expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
      const messages = lines.map(({ level, exitCode, msg }) => {
        expect({ level, exitCode }).toEqual({ level: "fatal", exitCode: 2 });
        return msg;
      });
      for (const problem of problems)
        expect(messages.filter((msg) => problem.test(msg))).toHaveLength(1);
      expect(messages).toHaveLength(problems.length);
      expect(stdout).not.toContain("hush-4711");
    }
  });
});

describe("usage", () => {
  test.each([
    ["bogus"],
    ["--bogus"],
    ["check --bogus"],
    ["setup now"],
    ["gap --reason"],
  ])("%s: exit code 2, and where help is", async (line) => {
    const { code, stdout, stderr } = await runCommand({}, ...line.split(" "));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: .+\n\n?--help names the subcommands/);
  });

  test.each(["--help", "-h", "help"])(
    "%s: exit code 0 and the subcommands",
    async (flag) => {
      const { code, stdout, stderr } = await runCommand({}, flag);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      for (const name of ["run", "check", "setup", "gap"])
        expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    },
  );
});

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

let count = 0;

async function arrange(): Promise<{
  readonly source: Client;
  readonly destination: Client;
  readonly env: Record<string, string>;
  readonly catalogues: () => Promise<readonly string[]>;
}> {
  const name = `command_${++count}`;
  await cluster.createDatabase(name);
  await cluster.createDatabase(`${name}_dest`);
  const source = await cluster.client(name);
  const destination = await cluster.client(`${name}_dest`);
  await source.query("CREATE TABLE note (id int)");
  const there = { cluster, database: `${name}_dest` };
  return {
    source,
    destination,
    env: workerEnvironment(cluster, name, there, { SLOT_NAME: name }),
    catalogues: async () => [
      await catalogueOf(source),
      await catalogueOf(destination),
    ],
  };
}

async function end(...clients: readonly Client[]): Promise<void> {
  for (const client of clients) await client.end();
}

async function check(env: Record<string, string>) {
  const text = await runCommand(env, "check");
  const json = await runCommand(env, "check", "--json");
  expect(json.code).toBe(text.code);
  const findings: Record<string, string>[] = JSON.parse(json.stdout);
  for (const { severity, code, message, remedy } of findings) {
    expect(text.stdout).toContain(`${severity} ${code}: ${message}\n  `);
    expect(remedy).not.toBe("");
  }
  return {
    code: text.code,
    text: text.stdout,
    codes: findings.map(({ code }) => code),
  };
}

describe("check", () => {
  test("finds nothing before a first run that would succeed, and changes nothing", async () => {
    const { source, destination, env, catalogues } = await arrange();
    const before = await catalogues();
    expect(await check(env)).toEqual({
      code: 0,
      text: "ok: source and destination are ready\n",
      codes: [],
    });
    expect(await catalogues()).toEqual(before);
    await end(source, destination);
  });

  test("finds nothing while the worker runs, and a lost slot's gap afterwards", async () => {
    const { source, destination, env, catalogues } = await arrange();
    await using worker = WorkerProcess.start(env);
    await worker.log("streaming");
    expect((await check(env)).code).toBe(0);
    worker.signal("SIGTERM");
    await worker.exited;
    await source.query(
      `SELECT pg_replication_slot_advance('${env.SLOT_NAME}', pg_current_wal_lsn())`,
    );
    const moved = await check(env);
    expect(moved).toMatchObject({ code: 1, codes: ["source-refused"] });
    expect(moved.text).toContain("was moved, consumed or made anew");
    await source.query(`SELECT pg_drop_replication_slot('${env.SLOT_NAME}')`);
    const before = await catalogues();
    const gone = await check(env);
    expect(gone).toMatchObject({ code: 1, codes: ["source-refused"] });
    expect(gone.text).toMatch(
      /is gone, and with it the changes since .*\n.*gap/,
    );
    expect(await catalogues()).toEqual(before);
    await end(source, destination);
  });

  test("finds what is wrong with source and destination at once", async () => {
    const { source, destination, env, catalogues } = await arrange();
    // A schema can be published since 15.
    const members =
      serverMajor >= 15 ? "TABLES IN SCHEMA public" : "ALL TABLES";
    await source.query(
      `CREATE ROLE weak LOGIN PASSWORD 'w'; CREATE PUBLICATION bemi FOR ${members} WITH (publish = 'insert')`,
    );
    await destination.query("CREATE TABLE changes (id int)");
    const before = await catalogues();
    const found = await check({ ...env, DB_USER: "weak", DB_PASSWORD: "w" });
    expect(found.code).toBe(1);
    expect(found.codes).toEqual(
      expect.arrayContaining([
        "destination-foreign-table",
        "role-without-replication",
        "publication-operations",
      ]),
    );
    expect(await catalogues()).toEqual(before);
    await end(source, destination);
  });

  test("does not call ready what the role may not set up", async () => {
    const { source, destination, env, catalogues } = await arrange();
    await source.query("CREATE ROLE reader LOGIN REPLICATION PASSWORD 'r'");
    const before = await catalogues();
    const asReader = { ...env, DB_USER: "reader", DB_PASSWORD: "r" };
    const found = await check(asReader);
    expect(found).toMatchObject({ code: 0, codes: ["setup-untried"] });
    expect(found.text).toContain("set up the replica identity of public.note");
    expect(await catalogues()).toEqual(before);
    expect((await runCommand(asReader)).code).toBe(3);
    expect((await runCommand(env, "setup")).code).toBe(0);
    expect((await check(asReader)).codes).toEqual([]);
    await source.query(`SELECT pg_drop_replication_slot('${env.SLOT_NAME}')`);
    await end(source, destination);
  });

  test("names a variable that is none, as every command does", async () => {
    const { source, destination, env } = await arrange();
    const misspelt = { ...env, DB_PASWORD: "hush-4711" };
    const found = await check(misspelt);
    expect(found).toMatchObject({ code: 0, codes: ["variable"] });
    expect(found.text).toContain("DB_PASWORD is not a variable of the worker");
    expect(found.text).not.toContain("hush-4711");
    const { lines } = await runCommand(misspelt, "gap");
    expect(lines[0]).toMatchObject({
      level: "warn",
      msg: "DB_PASWORD is not a variable of the worker: DB_PASSWORD?",
    });
    await end(source, destination);
  });

  test("says which of the two cannot be reached, and looks at the other one", async () => {
    const { source, destination, env } = await arrange();
    await destination.query("CREATE TABLE changes (id int)");
    expect(await check({ ...env, DB_PASSWORD: "wrong" })).toMatchObject({
      code: 1,
      codes: ["destination-foreign-table", "source-unreachable"],
    });
    await source.query("CREATE PUBLICATION bemi WITH (publish = 'insert')");
    const { codes } = await check({ ...env, DEST_DB_PORT: "1" });
    expect(codes).toEqual(
      expect.arrayContaining([
        "destination-unreachable",
        "publication-operations",
      ]),
    );
    const {
      DEST_DB_HOST,
      DEST_DB_PORT,
      DEST_DB_NAME,
      DEST_DB_USER,
      DEST_DB_PASSWORD,
      ...one
    } = env;
    // With one for both, what is wrong is in the source's variables.
    expect((await check({ ...one, DB_PORT: "1" })).codes).toEqual([
      "source-unreachable",
    ]);
    await end(source, destination);
  });
});

describe("setup", () => {
  test("creates what is missing, and the second time says that nothing was", async () => {
    const { source, destination, env, catalogues } = await arrange();
    const [before, there] = await catalogues();
    const first = await runCommand(env, "setup");
    expect(first).toMatchObject({
      code: 0,
      last: { msg: "the source is set up" },
    });
    expect(first.last?.created).toEqual([
      "the replica identity of public.note",
      "the event trigger for new tables",
      "the event triggers that mark DDL",
      "the publication bemi",
      `the replication slot ${env.SLOT_NAME}`,
    ]);
    const after = await catalogues();
    expect(after[0]).not.toBe(before);
    // Slots belong to the whole server.
    expect(after[1]?.replace(/^slot .*\n?/gm, "").trim()).toBe(there);
    const second = await runCommand(env, "setup");
    expect(second).toMatchObject({
      code: 0,
      last: { msg: "the source was set up already", created: [] },
    });
    expect(await catalogues()).toEqual(after);
    expect(await check({ ...env, SETUP: "never" })).toMatchObject({ code: 0 });
    await using worker = WorkerProcess.start({ ...env, SETUP: "never" });
    await worker.log("streaming");
    await end(source, destination);
  });
});

test("two databases of one server with one configuration: the second refuses, and runs with a slot of its own", async () => {
  const one = await arrange();
  const two = await arrange();
  const env = { ...two.env, SLOT_NAME: String(one.env.SLOT_NAME) };
  await using first = WorkerProcess.start(one.env);
  await first.log("streaming");
  const before = await two.catalogues();
  const refused = await runCommand(env);
  expect(refused.code).toBe(2);
  expect(refused.last?.msg).toContain(
    `slot "${one.env.SLOT_NAME}" belongs to database "${one.env.DB_NAME}"; one of database "${two.env.DB_NAME}" (each database of a server needs a slot name of its own) is needed: choose another SLOT_NAME`,
  );
  expect(await two.catalogues()).toEqual(before);
  await using second = WorkerProcess.start(two.env);
  await second.log("streaming");
  await one.source.query("INSERT INTO note VALUES (1)");
  await two.source.query("INSERT INTO note VALUES (2)");
  for (const [{ destination }, id] of [
    [one, 1],
    [two, 2],
  ] as const)
    await eventually(`row ${id}`, async () => {
      const { rows } = await destination.query(
        "SELECT database, after->>'id' AS id FROM changes",
      );
      return rows.length === 1 && rows[0].id === String(id);
    });
  for (const { source, destination } of [one, two])
    await end(source, destination);
});

describe.each([
  ["the bundle alone in an empty folder", bundleAlone],
  ["npm run worker, from source", fromSource],
])("%s", (_name, start) => {
  test("tracks a change and stops with 0", async () => {
    const { source, destination, env } = await arrange();
    await using worker = start(env, []);
    await worker.log("streaming");
    await source.query("INSERT INTO note VALUES (7)");
    await eventually("the change", async () => {
      const { rows } = await destination.query("SELECT after FROM changes");
      return rows.length === 1 && rows[0].after.id === 7;
    });
    worker.signal("SIGTERM");
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(worker.stderr).toBe("");
    await end(source, destination);
  });

  test("checks, and refuses wrong variables with 2", async () => {
    const { source, destination, env } = await arrange();
    await using good = start(env, ["check"]);
    expect(await good.exited).toEqual({ code: 0, signal: null });
    expect(good.stdout).toBe("ok: source and destination are ready\n");
    await using bad = start({ DB_PORT: "abc" }, []);
    expect(await bad.exited).toEqual({ code: 2, signal: null });
    await end(source, destination);
  });
});

function bundleAlone(
  env: Record<string, string>,
  args: readonly string[],
): LoggedProcess {
  const folder = mkdtempSync(join(tmpdir(), "alone-"));
  copyFileSync(join(root, "dist", "worker.js"), join(folder, "worker.js"));
  return new LoggedProcess(process.execPath, ["worker.js", ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
  });
}

/** What `npm run worker` runs (the exec of its script). */
function fromSource(
  env: Record<string, string>,
  args: readonly string[],
): LoggedProcess {
  return new LoggedProcess(
    process.execPath,
    ["--import", "tsx", "worker/main.ts", ...args],
    {
      cwd: root,
      env: { PATH: process.env.PATH, ...env },
    },
  );
}
