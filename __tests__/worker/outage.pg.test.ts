/**
 * A destination that is away for two minutes, or there and locked: a delay, and
 * nothing else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { Releases } from "../../worker/releases";
import { type Load, ledgerTables, settle, startLoad } from "../support/ledger";
import { peakResidentMegabytes } from "../support/memory";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const OUTAGE_MS = 120_000;
const MAX_RESIDENT_MEGABYTES = 300;
/** Of 16 kB each. */
const FLOOD_ROWS = 12_000;

test("a destination that is down for two minutes and one that is locked for as long cost a delay, and neither memory nor a change", async () => {
  const settings = { fsync: "off" };
  await using source = await Cluster.start({ settings });
  await using down = await Cluster.start({ settings });
  await using locked = await Cluster.start({ settings });
  await using releases = new Releases();
  const affected = [
    await begin(source, down, releases),
    await begin(source, locked, releases),
  ];

  await down.stop("immediate");
  const locker = await locked.client(affected[1]?.trail.database);
  await locker.query("BEGIN; LOCK TABLE public.changes");
  await Promise.all(affected.map(({ trail }) => trail.source.query(FLOOD)));
  await sleep(OUTAGE_MS);
  await locker.query("ROLLBACK");
  await locker.end();
  await down.startAgain();

  for (const { trail, worker, load } of affected) {
    const ledger = await load.finish();
    await settle(trail, ledger, { where: `"table" <> 'flood'` });
    expect(await trail.count(`"table" = 'flood'`)).toBe(FLOOD_ROWS);
    // Also: it is the same process still.
    expect(peakResidentMegabytes(worker.pid)).toBeLessThan(
      MAX_RESIDENT_MEGABYTES,
    );
  }
}, 300_000);

/** More than a worker may hold, so that it must let the source wait. */
const FLOOD = `
  CREATE TABLE flood (id int PRIMARY KEY, text text);
  INSERT INTO flood SELECT i, repeat(md5(i::text), 500) FROM generate_series(1, ${FLOOD_ROWS}) i`;

/** A worker that stores the changes of a load. */
async function begin(
  source: Cluster,
  destination: Cluster,
  releases: Releases,
): Promise<{ trail: Trail; worker: WorkerProcess; load: Load }> {
  const tables = ledgerTables("item");
  const trail = await Trail.create({ source, destination, tables });
  releases.use(trail);
  const worker = await trail.streaming();
  const load = startLoad(trail, ["item"], { seed: 77, maxPauseMs: 80 });
  releases.use(load);
  await load.more(20);
  return { trail, worker, load };
}
