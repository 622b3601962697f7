/**
 * A change of more than 1 GB, which no source can send: the worker stores
 * what came before it, says what to do, and goes on where an operator lets it.
 */
import { Cluster } from "../../scripts/cluster";
import { Trail } from "../support/trail";

const BYTES = 90 * 1024 * 1024;
/** In hex they are 1.1 GB together. */
const COLUMNS = ["a", "b", "c", "d", "e", "f"];

test("a row that the source cannot send ends the worker with the way past it, and nothing else is missing after", async () => {
  await using cluster = await Cluster.start({
    settings: { fsync: "off" },
  });
  await using trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: `
      CREATE TABLE one (bytes bytea);
      INSERT INTO one VALUES (convert_to(repeat('x', ${BYTES}), 'UTF8'));
      CREATE TABLE small (id int PRIMARY KEY);
      CREATE TABLE large (id int PRIMARY KEY, ${COLUMNS.map((name) => `${name} bytea`).join(", ")});
      INSERT INTO large SELECT 1, ${COLUMNS.map(() => "bytes").join(", ")} FROM one`,
    env: { BATCH_MAX_DELAY_MS: "60000" },
  });
  const first = await trail.streaming();
  first.signal("SIGTERM");
  await first.exited;
  for (const sql of [
    "INSERT INTO small VALUES (1)",
    "BEGIN; INSERT INTO small VALUES (2); DELETE FROM large; COMMIT",
    "INSERT INTO small VALUES (3)",
  ]) {
    await trail.source.query(sql);
  }
  const stopped = trail.start();
  expect(await stopped.exited).toEqual({ code: 3, signal: null });
  const last = stopped.lines.at(-1);
  expect(last?.msg).toMatch(
    /^the source cannot send a change \(at [\dA-F/]+\) of the transaction that committed at [\dA-F/]+: .*1 GB/,
  );
  await trail.reached(1);

  // The way past it, as the worker gives it.
  const [, to = ""] = /gap --to (\S+)/.exec(String(last?.remedy)) ?? [];
  await trail.released();
  const args = ["gap", "--to", to, "--reason", "a row over 1 GB", "--yes"];
  const gap = trail.start({}, { args });
  expect(await gap.exited).toMatchObject({ code: 0 });
  await trail.streaming({ BATCH_MAX_DELAY_MS: "0" });
  await trail.reached(2);
  expect((await trail.changes()).map(({ primaryKey }) => primaryKey)).toEqual([
    "1",
    "3",
  ]);
  expect(
    await trail.destination.query("SELECT reason FROM _bemi_gaps"),
  ).toEqual([{ reason: "a row over 1 GB" }]);
});
