/** From MikroORM through the worker into `changes`, each with its own context. */
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import type { LoggedProcess } from "../../scripts/logged-process";
import { serverMajor } from "../support/majors";
import {
  MikroApplication,
  type MikroOrmVersion,
  mikroRelease,
} from "../support/mikro-application";
import { createSource } from "../support/source";
import { TrackedDatabase } from "../support/tracked-database";

const SCHEMA = `CREATE TABLE note (id int PRIMARY KEY, by varchar(255) NOT NULL, body text);${bemiUpSql()}`;

const CONFIGURATION = `
export default defineConfig({ extensions: [Migrator, BemiExtension] });
export const own = defineConfig({ onQuery: bemiOnQuery((sql) => sql) });
express().use(setContext((request: Request) => ({ endpoint: request.url, params: request.body })));
express().use(setContext((request) => ({ endpoint: request.url })));
`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const merge = serverMajor >= 15 ? ["merge"] : [];
const packages = [["express-4"], ["express-5"]] as const;

describe.each([
  ["6", "cjs"],
  ["7", "esm"],
] as const)("MikroORM %s (%s)", (version, format) => {
  let application: MikroApplication;
  let tracked: TrackedDatabase;
  let url: string;
  beforeAll(async () => {
    application = await MikroApplication.prepare(version, format);
    tracked = await TrackedDatabase.start(cluster, {
      schema: SCHEMA,
    });
    url = cluster.url(tracked.source.database);
  });
  afterAll(() => tracked?.[Symbol.asyncDispose]());

  /** Contexts that stand beside each writer's rows, and how many rows it has. */
  async function contexts(): Promise<Record<string, unknown[]>> {
    await tracked.caughtUp();
    const { rows } = await tracked.destination.client.query(
      `SELECT coalesce(after->>'by', before->>'by') AS by,
              array_agg(DISTINCT coalesce(context->>'by', 'nobody')) AS contexts
         FROM changes WHERE "table" = 'note' GROUP BY 1`,
    );
    return Object.fromEntries(rows.map(({ by, contexts }) => [by, contexts]));
  }

  test("every way to write carries its own context, and nothing else does", async () => {
    const names = (await application.run(url, [
      "operations",
      ...merge,
    ])) as string[];
    expect(names.length).toBeGreaterThan(19);
    expect(await contexts()).toEqual(
      Object.fromEntries(names.map((name) => [name, [name]])),
    );
    // What is in the context arrives as it was.
    const { rows } = await tracked.destination.client.query(
      `SELECT DISTINCT context - 'by' AS rest, context->>'hostile' AS hostile FROM changes WHERE context ? 'hostile'`,
    );
    expect(rows).toHaveLength(1);
    expect(rows[0].hostile).toBe(
      '?? ? \\? $1 :by \'" /* */ -- ; Bemi*/ /*Bemi {"by":"evil"} Bemi*/ é 😀 \uFFFD \uFFFD',
    );
    expect(rows[0].rest["key ?*/"]).toEqual([rows[0].hostile]);
  });

  test("an onQuery of the configuration's own goes along", async () => {
    await tracked.sql("TRUNCATE note");
    await tracked.caughtUp();
    await tracked.destination.client.query("DELETE FROM changes");
    const names = (await application.run(url, ["operations"], {
      OWN_HOOK: "1",
    })) as string[];
    expect(await contexts()).toMatchObject(
      Object.fromEntries(names.map((name) => [name, [name]])),
    );
  });

  test("MikroORM's schema tools leave the triggers alone", async () => {
    const ours = /trigger[^;]*"note"/;
    expect(await application.run(url, ["drift"])).not.toMatch(ours);
    // Without the extension 7.1 takes them for somebody's leftovers.
    const without = await application.run(url, ["drift"], {
      EXTENSION: "none",
    });
    if (mikroRelease(version) >= 7.1) expect(without).toMatch(ours);
    else expect(without).not.toMatch(ours);
  });

  test("MikroORM makes its schema where the migration has not run", async () => {
    await using source = await createSource(cluster);
    expect(
      await application.run(cluster.url(source.database), ["create"]),
    ).toBe(true);
  });

  test("MikroORM's migrations go up and down and up again", async () => {
    await using source = await createSource(cluster);
    await source.client.query("CREATE TABLE todo (id int)");
    // The other table is MikroORM's own, of migrations.
    const up = { triggers: 2, event_triggers: 1, schemas: 1 };
    const down = { triggers: 0, event_triggers: 0, schemas: 0 };
    expect(
      await application.run(cluster.url(source.database), ["migrate"]),
    ).toEqual([up, down, up, down]);
  });

  test("its types fit MikroORM's and Express's", async () => {
    for (const resolution of ["nodenext", "node16", "bundler"] as const)
      expect(await application.compile(CONFIGURATION, resolution)).toBe("");
    expect(await application.compile("setContext((r: Request) => 5);")).toMatch(
      /TS2345|TS2322/,
    );
  });

  test.each(packages)(
    "200 requests at once to %s, and no change has another one's context",
    async (express) => {
      await tracked.sql("TRUNCATE note");
      await tracked.caughtUp();
      await tracked.destination.client.query("DELETE FROM changes");
      await using server = application.start(url, ["serve", express]);
      const { result: port } = await server.log("serving");
      const statuses = await Promise.all(
        Array.from({ length: 200 }, async (_, id) => {
          const response = await fetch(
            `http://127.0.0.1:${port}/notes?q=*/;drop%20table%20note;--/*${id}`,
            {
              method: "POST",
              headers: {
                "content-type": "application/json",
                "x-by": `user ${id}`,
                "user-agent": "*/; DELETE FROM note; -- ?? Bemi*/",
              },
              body: JSON.stringify({ id }),
            },
          );
          return response.status;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
      await tracked.caughtUp();
      const { rows } = await tracked.destination.client.query(
        `SELECT operation, after->>'id' AS id, after->>'by' AS by, context
           FROM changes WHERE "table" = 'note' AND operation <> 'TRUNCATE'`,
      );
      expect(rows).toHaveLength(400);
      for (const { operation, id, by, context } of rows)
        expect(context).toMatchObject({
          by,
          endpoint: `/notes?q=*/;drop%20table%20note;--/*${id}`,
          agent: "*/; DELETE FROM note; -- ?? Bemi*/",
          ...(operation === "UPDATE" ? { merged: by } : {}),
        });
      expect(new Set(rows.map(({ by }) => by)).size).toBe(200);
    },
  );
});

describe("with nothing but what the documentation says", () => {
  test.each([
    ["6", "esm", { EXTENSION: "none" }],
    // By require(), of what is ES modules alone.
    ["7", "cjs", {}],
  ] as const)(
    "MikroORM %s as %s has the hook",
    async (version, format, env) => {
      await using tracked = await TrackedDatabase.start(cluster, {
        schema: SCHEMA,
      });
      const application = await MikroApplication.prepare(version, format);
      const url = cluster.url(tracked.source.database);
      await application.run(url, ["operations"], env);
      await tracked.caughtUp();
      const { rows } = await tracked.destination.client.query(
        `SELECT DISTINCT coalesce(context->>'by', 'nobody') = coalesce(after->>'by', before->>'by') AS own
         FROM changes WHERE "table" = 'note'`,
      );
      expect(rows).toEqual([{ own: true }]);
    },
  );

  test("a missing hook is told, and only a missing one", async () => {
    await using source = await createSource(cluster);
    await source.client.query(SCHEMA);
    const url = cluster.url(source.database);
    const asked = async (version: MikroOrmVersion, env = {}) => {
      const application = await MikroApplication.prepare(version, "esm");
      const server = application.start(url, ["serve", "express-5"], env);
      const { result: port } = await server.log("serving");
      for (let n = 0; n < 12; n += 1)
        await fetch(`http://127.0.0.1:${port}/notes?${n}`);
      return server;
    };
    const told = ({ stderr }: LoggedProcess) =>
      stderr.match(/BEMI_NO_HOOK.*/g) ?? [];
    // Those that are to be silent have their requests first.
    await using alone = await asked("6", { EXTENSION: "none" });
    await using extended = await asked("7");
    await using own = await asked("6", { EXTENSION: "none", OWN_HOOK: "1" });
    await using without = await asked("7", { EXTENSION: "none" });
    const all = [alone, extended, own, without];
    await eventually(
      "the last one tells it",
      async () => told(without).length > 0,
    );
    expect(all.map((server) => told(server).length)).toEqual([0, 0, 1, 1]);
    expect(told(without).join()).toContain("extensions: [BemiExtension]");
  });
});

test("a worker whose changes lie in the same database goes on, and does not record itself", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    oneDatabase: true,
    schema: SCHEMA,
  });
  const application = await MikroApplication.prepare("6", "cjs");
  const names = await application.run(cluster.url(tracked.source.database), [
    "operations",
  ]);
  await tracked.sql("CALL _bemi.create_triggers()");
  await tracked.sql("INSERT INTO note VALUES (9000, 'nobody')");
  await tracked.caughtUp();
  const { rows } = await tracked.source.client.query(
    `SELECT array_agg(DISTINCT "table") AS tables,
            array_agg(DISTINCT coalesce(context->>'by', 'nobody')) AS writers FROM changes`,
  );
  expect(rows[0].tables).toEqual(["mark", "note"]);
  expect(rows[0].writers).toEqual((names as string[]).toSorted());
});
