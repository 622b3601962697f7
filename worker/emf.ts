/**
 * The worker's figures as lines on the standard output that CloudWatch Logs
 * makes metrics of: no agent, no permission, no call.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
import { METRIC_NAMESPACES } from "../config/names";
import { FIGURES } from "./metrics";
import { standardOutput } from "./standard-output";
import type { Status } from "./status";

const INTERVAL_MS = 60_000;

export interface EmfDimensions {
  readonly slotName: string;
  /** Without it two environments of one account would share their metrics. */
  readonly environment?: string;
}

/** Writes a line a minute until `signal`. */
export function emitEmf(
  status: Status,
  dimensions: EmfDimensions,
  signal: AbortSignal,
): void {
  const timer = setInterval(() => {
    standardOutput.write(`${emfLine(status, dimensions, Date.now())}\n`);
  }, INTERVAL_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** One embedded-metric line: figures and the dimensions, nothing of a row. */
export function emfLine(
  status: Status,
  { slotName, environment }: EmfDimensions,
  nowMs: number,
): string {
  const values = FIGURES.flatMap((figure) => {
    const value = figure.read(status);
    return value === undefined ? [] : [{ figure, value }];
  });
  const dimensions = {
    ...(environment ? { Environment: environment } : {}),
    Slot: slotName,
  };
  return JSON.stringify({
    _aws: {
      Timestamp: nowMs,
      CloudWatchMetrics: [
        {
          Namespace: METRIC_NAMESPACES.worker,
          Dimensions: [Object.keys(dimensions)],
          Metrics: values.map(({ figure }) => ({
            Name: figure.emfName,
            Unit: figure.unit,
          })),
        },
      ],
    },
    ...dimensions,
    ...Object.fromEntries(
      values.map(({ figure, value }) => [figure.emfName, value]),
    ),
  });
}
