/** Publications that leave out rows or columns, and so would falsify the trail. */
import { Cluster } from "../../scripts/cluster";
import { runCommand } from "../support/command";
import { serverMajor } from "../support/majors";
import { createSource } from "../support/source";
import { TrackedDatabase } from "../support/tracked-database";
import { workerEnvironment } from "../support/worker-process";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const TABLE = "CREATE TABLE t (id int PRIMARY KEY, st text, note text)";
const PUBLISH = "WITH (publish = 'insert, update, delete, truncate')";

describe.each([
  [
    "a row filter",
    "t WHERE (st = 'on')",
    /^publication "bemi" has a row filter on public\.t; none is allowed, since an UPDATE across the filter arrives as an INSERT or DELETE that never happened/,
    /DROP TABLE and ADD TABLE each without WHERE/,
  ],
  [
    "a column list",
    "t (id, st)",
    /^publication "bemi" has a column list on public\.t; none is allowed, since with a full replica identity the application's UPDATE fails/,
    /DROP TABLE and ADD TABLE each without a column list/,
  ],
])("%s", (_, member, sentence, remedy) => {
  // Both came with 15.
  if (serverMajor < 15) {
    test("is not known to this server", async () => {
      await using source = await createSource(cluster);
      await source.client.query(TABLE);
      await expect(
        source.client.query(`CREATE PUBLICATION bemi FOR TABLE ${member}`),
      ).rejects.toMatchObject({ code: "42601" });
    });
    return;
  }

  test("is refused on the first start, and nothing is made", async () => {
    await using source = await createSource(cluster);
    await using destination = await createSource(cluster);
    await source.client.query(
      `${TABLE}; CREATE PUBLICATION bemi FOR TABLE ${member} ${PUBLISH}`,
    );
    const result = await runCommand(
      workerEnvironment(
        cluster,
        source.database,
        { cluster, database: destination.database },
        { SLOT_NAME: source.database },
      ),
    );
    expect(result.code).toBe(3);
    expect(`${result.last?.msg}`).toMatch(sentence);
    expect(`${result.last?.remedy}`).toMatch(remedy);
    const { rows } = await source.client.query(
      "SELECT FROM pg_replication_slots WHERE database = current_database()",
    );
    expect(rows).toEqual([]);
    const there = await destination.client.query(
      "SELECT to_regclass('public.changes') AS changes",
    );
    expect(there.rows).toEqual([{ changes: null }]);
  });

  test("that a trail's publication was given is refused at the next start, and without it the trail goes on", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { TRACK_TABLES: "public.mark,public.t" },
      schema: TABLE,
    });
    await tracked.stopWorker();
    await tracked.sql(`ALTER PUBLICATION bemi SET TABLE mark, ${member}`);
    const refused = tracked.launchWorker();
    expect(await refused.exited).toEqual({ code: 3, signal: null });
    expect(`${refused.lines.at(-1)?.msg}`).toMatch(sentence);
    await tracked.sql("ALTER PUBLICATION bemi SET TABLE mark, t");
    await tracked.startWorker();
    await tracked.sql("INSERT INTO t VALUES (1, 'off', 'x')");
    await tracked.sql("UPDATE t SET st = 'on'");
    await tracked.caughtUp();
    expect((await tracked.changes()).map(({ operation }) => operation)).toEqual(
      ["CREATE", "UPDATE"],
    );
  });
});
