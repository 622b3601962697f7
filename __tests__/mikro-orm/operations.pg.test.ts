/** From MikroORM through the worker into `changes`, each with its own context. */
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { serverMajor } from "../support/majors";
import { MikroApplication } from "../support/mikro-application";
import { TrackedDatabase } from "../support/tracked-database";

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
      schema: `CREATE TABLE note (id int PRIMARY KEY, by varchar(255) NOT NULL, body text);${bemiUpSql()}`,
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

  test("its schema tools leave the triggers alone", async () => {
    expect(await application.run(url, ["drift"])).toBe("");
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
