/**
 * The worker through an SSH tunnel and through the VPN, against the same worker
 * without them: the same backlog to drain, the same load to keep up with.
 */
import { BACKLOG_CHANGES, writeBacklog } from "./backlog";
import { DISCARD_BUNDLE, drainWithWorker } from "./drain";
import type { Figures } from "./figures";
import { measureLatency } from "./latency";
import { Pair } from "./pair";
import type { Way, Ways } from "./ways";

/** Of the backlog, so that three rounds of three ways take less than four minutes. */
const SHARE = 0.5;
const LATENCY = { perSecond: 500, seconds: 5 };

/**
 * One round of all ways, each beginning with another one, since a machine gets
 * slower and faster over minutes.
 */
export async function measureTunnels(
  { ways }: Pick<Ways, "ways">,
  round: number,
  figures: Figures,
): Promise<void> {
  const measured = new Map<Way, Measured>();
  for (let turn = 0; turn < ways.length; turn++) {
    const way = ways[(round + turn) % ways.length] ?? ways[0];
    measured.set(way, await measure(way));
  }
  const direct = measured.get(ways[0]);
  for (const way of ways) {
    const one = measured.get(way);
    if (!one || !direct) continue;
    const add = (what: string, value: number) =>
      figures.add(`${way.name}: ${what}`, value);
    add("drained into changes, changes/s", one.draining);
    add("read and rendered, changes/s", one.reading);
    add("commit to visible at 500/s, p50 ms", one.p50Ms);
    add("commit to visible at 500/s, p99 ms", one.p99Ms);
    if (way === ways[0]) continue;
    add("drained, rate / direct", one.draining / direct.draining);
    add("read and rendered, rate / direct", one.reading / direct.reading);
    add("commit to visible, p50 - direct, ms", one.p50Ms - direct.p50Ms);
  }
}

interface Measured {
  readonly draining: number;
  readonly reading: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function measure({ clusters, route }: Way): Promise<Measured> {
  return {
    ...(await rates(clusters, route)),
    ...(await delays(clusters, route)),
  };
}

/** Changes a second. */
async function rates(
  clusters: Pair["clusters"],
  route: Way["route"],
): Promise<Pick<Measured, "draining" | "reading">> {
  await using pair = await Pair.create(clusters, ["discard"], route);
  const end = await writeBacklog(pair.source, { share: SHARE });
  const draining = await drainWithWorker(pair.run("worker"), () =>
    pair.stored(end),
  );
  const reading = await drainWithWorker(
    { ...pair.run("discard"), program: [DISCARD_BUNDLE] },
    () => pair.confirmed("discard", end),
  );
  const changes = BACKLOG_CHANGES * SHARE;
  return {
    draining: changes / draining.seconds,
    reading: changes / reading.seconds,
  };
}

/** In a database of its own: nothing of a backlog is left to be worked off. */
async function delays(
  clusters: Pair["clusters"],
  route: Way["route"],
): Promise<Pick<Measured, "p50Ms" | "p99Ms">> {
  await using pair = await Pair.create(clusters, [], route);
  return await measureLatency(pair, LATENCY);
}
