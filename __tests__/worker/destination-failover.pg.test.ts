/**
 * The destination at its worst moments: cut off in the middle of COMMIT,
 * crashed right behind it, replaced by a standby that is behind.
 */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { CommitProxy, type Cut } from "../support/commit-proxy";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { startStandby } from "../support/standby";
import { Trail } from "../support/trail";

const CUTS = 50;
const KINDS: readonly Cut[] = ["reply", "request", "both"];

test(`a connection that is cut in the middle of ${CUTS} commits loses nothing and doubles nothing`, async () => {
  await using cluster = await Cluster.start({ settings: { fsync: "off" } });
  await using proxy = await CommitProxy.start(cluster);
  await using trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: ledgerTables("item"),
    env: { DEST_DB_PORT: String(proxy.port) },
  });
  await trail.streaming();
  await using load = startLoad(trail, ["item"], { seed: 78, maxPauseMs: 50 });
  // Every other one, so that the worker gets on.
  let commits = 0;
  proxy.cut = () =>
    commits++ % 2 === 1 && proxy.cuts < CUTS
      ? KINDS[proxy.cuts % KINDS.length]
      : undefined;
  await eventually(`${CUTS} cuts`, async () => proxy.cuts >= CUTS, 200_000);
  const ledger = await load.finish();
  await settle(trail, ledger);
  expect(ledger.rowCount).toBeGreaterThan(CUTS);
}, 300_000);

test("a destination that commits asynchronously by default loses nothing of what the source was told when it crashes", async () => {
  await using source = await Cluster.start({ settings: { fsync: "off" } });
  await using destination = await Cluster.start({
    settings: { synchronous_commit: "off", wal_writer_delay: "10s" },
  });
  await using trail = await Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });
  const worker = await trail.streaming();
  for (let id = 1; id <= 5; id++) {
    const before = await trail.slotState();
    await trail.source.query("INSERT INTO item VALUES ($1)", [id]);
    await eventually("the source is told", async () => {
      return (await trail.slotState()).confirmed > before.confirmed;
    });
    await destination.stop("immediate");
    await destination.startAgain();
    await trail.destination[Symbol.asyncDispose]();
    await trail.reached(id);
  }
  expect(worker.lines.filter(({ level }) => level === "fatal")).toEqual([]);
});

test("a standby in the primary's place is waited for while it takes no writes, and is a gap once it is promoted without the last changes", async () => {
  await using source = await Cluster.start({ settings: { fsync: "off" } });
  await using primary = await Cluster.start();
  await using proxy = await CommitProxy.start(primary);
  await using trail = await Trail.create({
    source,
    destination: primary,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
    env: { DEST_DB_PORT: String(proxy.port) },
  });
  const worker = await trail.streaming();
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  await using standby = await startStandby(primary);
  await standby.stop();
  // From here on the standby is behind.
  await trail.destination[Symbol.asyncDispose]();
  await trail.source.query("INSERT INTO item VALUES (2)");
  await trail.reached(2);
  const { position } = await trail.watermark();
  await eventually("the source is told", async () => {
    return (await trail.slotState()).confirmed >= position;
  });
  await primary.stop("immediate");
  await standby.startAgain();
  proxy.target = standby;
  const { connections } = proxy;
  proxy.cutAll();
  await worker.log((line) => /takes no writes now/.test(String(line.msg)));
  const before = proxy.connections;
  expect(before).toBeGreaterThan(connections);
  await eventually(
    "another attempt, over a connection of its own",
    async () => proxy.connections > before,
  );
  expect(worker.lines.filter(({ level }) => level === "fatal")).toEqual([]);

  const admin = await standby.client();
  await admin.query("SELECT pg_promote()");
  await admin.end();
  expect(await worker.exited).toMatchObject({ code: 3 });
  expect(worker.lines.at(-1)).toMatchObject({
    level: "fatal",
    msg: expect.stringMatching(
      /^gap: slot .* the destination has everything only up to/,
    ),
    remedy: expect.stringContaining("gap"),
  });
});
