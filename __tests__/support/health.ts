/** What a running worker says over HTTP. */
import type { WorkerProcess } from "./worker-process";

export interface Health {
  readonly status: number;
  readonly healthy: boolean;
  readonly state: string;
  readonly problem?: string;
  readonly [detail: string]: unknown;
}

export async function addressOf(worker: WorkerProcess): Promise<string> {
  const { port } = await worker.log("health and metrics");
  return `http://127.0.0.1:${port}`;
}

export async function healthOf(worker: WorkerProcess): Promise<Health> {
  const response = await fetch(`${await addressOf(worker)}/health`);
  const body = (await response.json()) as Omit<Health, "status">;
  return { ...body, status: response.status } as Health;
}

/** Figures by name; fails at a line that is not of Prometheus' text format. */
export function parseMetrics(
  text: string,
  slot: string,
): Record<string, { type: string; value: number | undefined }> {
  const figures: Record<string, { type: string; value: number | undefined }> =
    {};
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const type = /^# TYPE (\w+) (counter|gauge)$/.exec(line);
    if (type) {
      figures[String(type[1])] = { type: String(type[2]), value: undefined };
      continue;
    }
    if (/^# HELP \w+ \S/.test(line)) continue;
    const sample = /^(\w+)\{slot="([a-z0-9_]+)"\} (-?[\d.e+]+)$/.exec(line);
    const figure = figures[String(sample?.[1])];
    if (!sample || !figure || sample[2] !== slot)
      throw new Error(`not a sample of slot ${slot}: ${line}`);
    figure.value = Number(sample[3]);
  }
  return figures;
}
