/** What a run of the fault suite showed, as a table and a verdict. */
import Table from "cli-table3";
import type { Comparison } from "./comparison";
import type { Through } from "./fault-action";
import type { KeptWorker } from "./kept-worker";

/** As for a transaction of two million rows (docs/performance.md). */
const MAX_RSS_MIB = 300;
/** Of the life of a process, at its start, in its middle and at its end. */
const SHARE = 0.2;

export interface SoakReport {
  readonly seed: number;
  readonly through: Through;
  /** Of the logs. */
  readonly folder: string;
  readonly transactions: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly longestOutageMs: number;
  /** Whether all that was committed last has arrived in time. */
  readonly isSettled: boolean;
  readonly comparison: Pick<Comparison, "compared" | "differences">;
  readonly worker: Pick<KeptWorker, "lives" | "faults" | "starts" | "givenUp">;
}

/** What was wrong, as sentences; empty when nothing was. */
export function problems(report: SoakReport): readonly string[] {
  const { worker, comparison, isSettled } = report;
  const rss = memory(report);
  return [
    ...worker.faults,
    ...(isSettled ? [] : ["the trail did not catch up"]),
    ...comparison.differences,
    ...(rss && rss.end > MAX_RSS_MIB
      ? [`the worker has ${Math.round(rss.end)} MiB, over ${MAX_RSS_MIB}`]
      : []),
  ];
}

export function renderReport(report: SoakReport): string {
  const { faults, worker, comparison, transactions, longestOutageMs } = report;
  const rss = memory(report);
  const counts = [...faults].sort(([a], [b]) => a.localeCompare(b));
  const table = new Table({
    head: ["", `${report.through}, seed ${report.seed}`],
    colAligns: ["left", "right"],
    style: { head: [], border: [], compact: true },
  });
  table.push(
    ["transactions", transactions],
    ...[...comparison.compared].map(([operation, count]) => [
      `changes compared, ${operation}`,
      count,
    ]),
    ["differences", comparison.differences.length],
    ...counts.map(([name, count]) => [name, count]),
    ["starts of the worker", worker.starts],
    ["given up by itself, exit code 1", worker.givenUp],
    ["longest outage of the trail, s", (longestOutageMs / 1000).toFixed(1)],
  );
  if (rss) {
    table.push(
      ["longest life of a worker, s", rss.seconds],
      ["its memory at the start, MiB", Math.round(rss.start)],
      ["in the middle, MiB", Math.round(rss.middle)],
      ["at the end, MiB", Math.round(rss.end)],
    );
  }
  return table.toString();
}

/** Medians of the process that lived longest; a sample a second. */
function memory({ worker: { lives } }: SoakReport) {
  const [longest] = [...lives].sort(
    (a, b) => b.rssMiB.length - a.rssMiB.length,
  );
  const samples = longest?.rssMiB ?? [];
  const length = Math.ceil(samples.length * SHARE);
  if (length === 0) return undefined;
  const middle = Math.floor((samples.length - length) / 2);
  return {
    seconds: samples.length,
    start: median(samples.slice(0, length)),
    middle: median(samples.slice(middle, middle + length)),
    end: median(samples.slice(-length)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
