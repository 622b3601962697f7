/**
 * Tools that make tables of their own beside the tracked ones, as pg_repack does:
 * a log filled by a trigger, a copy without a key, both changed and dropped
 * again. Where the publication covers them they must not fail.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { testedMajors } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

const ROWS = 1_000;

describe.each(testedMajors(14, 18))("repacking on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test.each([
    // 14 has no publication of a schema: there it is one of all tables.
    ["a schema's publication", { TRACK_TABLES: "public.*" }],
    ["one of all tables", { TRACK_TABLES: "*.*,!repack.*" }],
  ])(
    "under %s fails nothing, and leaves the trail to the application's changes",
    async (_, env) => {
      await using tracked = await TrackedDatabase.start(cluster, {
        env,
        schema: `CREATE TABLE t (id int PRIMARY KEY, note text);
          INSERT INTO t SELECT i, 'a' FROM generate_series(1, ${ROWS}) i`,
      });
      const application = await tracked.source.session();
      await repack(tracked.source.client, async (step) => {
        await application.query(`
          UPDATE t SET note = 'step ${step}' WHERE id = ${step};
          DELETE FROM t WHERE id = ${100 + step};
          INSERT INTO t VALUES (${ROWS + step}, 'new')`);
      });
      const { rows } = await tracked.source.client.query(
        `SELECT count(*)::int AS rows, count(*) FILTER (WHERE note <> 'a')::int AS changed FROM t`,
      );
      expect(rows).toEqual([{ rows: ROWS, changed: 6 }]);
      await tracked.caughtUp();
      const found = await tracked.destination.client.query(
        `SELECT schema, "table", operation, count(*)::int FROM changes WHERE "table" <> 'mark' GROUP BY 1, 2, 3 ORDER BY 3`,
      );
      expect(found.rows).toEqual(
        ["CREATE", "DELETE", "UPDATE"].map((operation) => ({
          schema: "public",
          table: "t",
          operation,
          count: 3,
        })),
      );
      const marks = await tracked.destination.client.query(
        `SELECT DISTINCT schema FROM _bemi_schema_changes`,
      );
      expect(marks.rows).toEqual([]);
    },
  );
});

/** What pg_repack 1.4 does to `public.t`; `write` comes in between. */
async function repack(
  client: Client,
  write: (step: number) => Promise<void>,
): Promise<void> {
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS repack;
    CREATE TYPE repack.pk_1 AS (id int);
    CREATE TABLE repack.log_1 (id bigserial PRIMARY KEY, pk repack.pk_1, row public.t);
    CREATE FUNCTION repack.log_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO repack.log_1 (pk, row) VALUES (
        CASE WHEN TG_OP <> 'INSERT' THEN ROW(OLD.id)::repack.pk_1 END,
        CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
      RETURN NULL; END $$;
    CREATE TRIGGER repack_trigger AFTER INSERT OR DELETE OR UPDATE ON public.t
      FOR EACH ROW EXECUTE FUNCTION repack.log_it()`);
  await write(1);
  // The copy has a unique index and no primary key.
  await client.query(`
    BEGIN ISOLATION LEVEL SERIALIZABLE;
    DELETE FROM repack.log_1;
    CREATE TABLE repack.table_1 AS SELECT * FROM ONLY public.t;
    COMMIT;
    CREATE UNIQUE INDEX ON repack.table_1 (id)`);
  await write(2);
  await write(3);
  const { rows } = await client.query<{ id: string }>(
    "SELECT id FROM repack.log_1 ORDER BY id",
  );
  expect(rows).toHaveLength(6);
  for (const { id } of rows) {
    await client.query(`
      DELETE FROM repack.table_1 USING repack.log_1 l WHERE l.id = ${id} AND l.row IS NULL AND table_1.id = (l.pk).id;
      UPDATE repack.table_1 SET id = (l.row).id, note = (l.row).note FROM repack.log_1 l
       WHERE l.id = ${id} AND l.pk IS NOT NULL AND l.row IS NOT NULL AND table_1.id = (l.pk).id;
      INSERT INTO repack.table_1 SELECT (row).* FROM repack.log_1 WHERE id = ${id} AND pk IS NULL;
      DELETE FROM repack.log_1 WHERE id = ${id}`);
  }
  const same = await client.query(
    "SELECT FROM (TABLE public.t EXCEPT TABLE repack.table_1) missing",
  );
  expect(same.rows).toEqual([]);
  // The swap of files is a change of the catalogue by C code, without DDL.
  await client.query(`
    DROP TRIGGER repack_trigger ON public.t;
    DROP TABLE repack.table_1, repack.log_1; DROP FUNCTION repack.log_it(); DROP TYPE repack.pk_1`);
}
