/**
 * Generated columns and FULL replica identities: from 18 on the server refuses
 * UPDATE and DELETE where a published identity has one that is not published,
 * and a virtual one never is.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { checkSource } from "../../worker/source/preflight";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readTables } from "../../worker/source/tracked-tables";
import { serverMajor, testSince } from "../support/majors";
import {
  createSource,
  identities,
  type Source,
  setUp,
  setUpOptions,
  warningsOf,
} from "../support/source";
import { TrackedDatabase } from "../support/tracked-database";

const since18 = testSince(18, "a virtual generated column");

describe("generated columns", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  since18(
    "stored, virtual, both, in keys and added later: no write fails, and the trail has what the server publishes",
    async () => {
      await using tracked = await TrackedDatabase.start(cluster, {
        schema: `
          CREATE TABLE stored (id int PRIMARY KEY, n int, s int GENERATED ALWAYS AS (n + 1) STORED);
          CREATE TABLE virtual (id int PRIMARY KEY, n int, v int GENERATED ALWAYS AS (n + 1) VIRTUAL);
          CREATE TABLE "both" (id int PRIMARY KEY, n int, s int GENERATED ALWAYS AS (n + 1) STORED, v int GENERATED ALWAYS AS (n + 2) VIRTUAL);
          CREATE TABLE key (n int, id int GENERATED ALWAYS AS (n + 1) STORED PRIMARY KEY, v int GENERATED ALWAYS AS (n + 2) VIRTUAL);
          CREATE TABLE parted (id int PRIMARY KEY, n int, v int GENERATED ALWAYS AS (n + 1) VIRTUAL) PARTITION BY LIST (id);
          CREATE TABLE later (id int PRIMARY KEY, n int)`,
      });
      const { client } = tracked.source;
      const warnings = warningsOf(client);
      await tracked.transactions(
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)",
        "ALTER TABLE later ADD v int GENERATED ALWAYS AS (n + 1)",
        "CREATE TABLE made (id int PRIMARY KEY, n int, v int GENERATED ALWAYS AS (n + 1))",
      );
      const tables = ["stored", "virtual", "both", "parted", "later", "made"];
      for (const table of tables) {
        await tracked.transactions(
          `INSERT INTO "${table}" VALUES (1, 1)`,
          `UPDATE "${table}" SET n = 2`,
          `DELETE FROM "${table}"`,
        );
      }
      await tracked.transactions(
        "INSERT INTO key VALUES (1)",
        "UPDATE key SET n = 2",
        "DELETE FROM key",
      );
      expect(warnings).toEqual([]);
      await tracked.caughtUp();
      const found = await tracked.destination.client.query(
        `SELECT "table", string_agg(concat_ws(' ', operation, before, after), '; ' ORDER BY id) AS changes
           FROM changes WHERE "table" <> 'mark' GROUP BY 1 ORDER BY 1`,
      );
      const keyOnly = (rest: string, id = 1) =>
        `CREATE {} ${rest.replace("N", "1")}; UPDATE {} ${rest.replace("N", "2")}; DELETE {"id": ${id}} {}`;
      expect(
        Object.fromEntries(
          found.rows.map(({ table, changes }) => [table, changes]),
        ),
      ).toEqual({
        both: 'CREATE {} {"n": 1, "s": 2, "id": 1}; UPDATE {} {"n": 2, "s": 3, "id": 1}; DELETE {"id": 1} {}',
        key: 'CREATE {} {"n": 1, "id": 2}; UPDATE {"id": 2} {"n": 2, "id": 3}; DELETE {"id": 3} {}',
        later: keyOnly('{"n": N, "id": 1}'),
        made: keyOnly('{"n": N, "id": 1}'),
        parted_1: keyOnly('{"n": N, "id": 1}'),
        stored:
          'CREATE {} {"n": 1, "s": 2, "id": 1}; UPDATE {"n": 1, "s": 2, "id": 1} {"n": 2, "s": 3, "id": 1}; DELETE {"n": 2, "s": 3, "id": 1} {}',
        virtual: keyOnly('{"n": N, "id": 1}'),
      });
    },
  );

  since18(
    "a virtual column that is added under load fails no write of the application",
    async () => {
      await using source = await createSource(cluster);
      await source.client.query(
        "CREATE TABLE busy (id int PRIMARY KEY, n int); INSERT INTO busy SELECT i, 0 FROM generate_series(1, 100) i",
      );
      await setUp(source);
      expect(await identities(source.client, "busy")).toEqual(["f"]);
      const errors: unknown[] = [];
      let running = true;
      let writes = 0;
      const load = Array.from({ length: 3 }, async (_, writer) => {
        const session = await source.session();
        for (let i = writer; running; i += 3) {
          const id = (i % 100) + 1;
          await session
            .query(
              `UPDATE busy SET n = n + 1 WHERE id = ${id}; DELETE FROM busy WHERE id = ${id}; INSERT INTO busy (id, n) VALUES (${id}, 0)`,
            )
            .then(() => writes++)
            .catch((error: unknown) => errors.push(error));
        }
      });
      for (let column = 0; column < 5; column++) {
        const reached = writes + 30;
        while (writes < reached && errors.length === 0) await sleep(5);
        await source.client.query(
          `ALTER TABLE busy ADD v${column} int GENERATED ALWAYS AS (n + ${column}) VIRTUAL`,
        );
      }
      const reached = writes + 30;
      while (writes < reached && errors.length === 0) await sleep(5);
      running = false;
      await Promise.all(load);
      expect(errors).toEqual([]);
      expect(await identities(source.client, "busy")).toEqual(["d"]);
    },
  );

  since18(
    "after an upgrade, the statement that check gives makes the application's writes work again",
    async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query(
        "CREATE TABLE stored (id int PRIMARY KEY, n int, s int GENERATED ALWAYS AS (n + 1) STORED); INSERT INTO stored VALUES (1, 1)",
      );
      await setUp(source);
      // As pg_upgrade leaves a publication that 17 made.
      await client.query(
        "ALTER PUBLICATION bemi SET (publish_generated_columns = none)",
      );
      const update = () => client.query("UPDATE stored SET n = n + 1");
      await expect(update()).rejects.toMatchObject({ code: "42P10" });
      const [finding, ...others] = await findings(source);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        code: "table-writes-fail",
        severity: "error",
      });
      await client.query(finding?.remedy ?? "");
      await update();
      expect(await findings(source)).toEqual([]);
    },
  );
});

test("generated columns are warned of before an upgrade to 18, and do no harm before", async () => {
  await using cluster = await Cluster.start({
    major: serverMajor < 18 ? serverMajor : 17,
    settings: { fsync: "off" },
  });
  await using source = await createSource(cluster);
  const { client } = source;
  await client.query(
    "CREATE TABLE stored (id int PRIMARY KEY, n int, s int GENERATED ALWAYS AS (n + 1) STORED); INSERT INTO stored VALUES (1, 1); CREATE TABLE plain (id int PRIMARY KEY)",
  );
  await setUp(source);
  await client.query("UPDATE stored SET n = 2; DELETE FROM stored");
  expect(await findings(source)).toMatchObject([
    {
      code: "generated-columns-before-18",
      severity: "warning",
      message: expect.stringMatching(/on public\.stored would fail/),
      remedy: expect.stringContaining(
        'ALTER PUBLICATION "bemi" SET (publish_generated_columns = stored);',
      ),
    },
  ]);
});

async function findings(source: Source) {
  const options = setUpOptions(source);
  return checkSource(
    await readSourceFacts(source.client, options),
    await readTables(source.client),
    options,
  );
}
