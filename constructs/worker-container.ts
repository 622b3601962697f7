/** The worker's container as a task definition has it. */

export interface WorkerContainerProps {
  /** `<repository>@sha256:…`: a tag could mean another image tomorrow. */
  readonly image: string;
  /** Nothing secret: whoever may read the task definition reads these. */
  readonly environment: Readonly<Record<string, string>>;
  /** Read when a task starts, and not again. */
  readonly secrets: Readonly<Record<string, SecretValue>>;
  /** Of the worker's own `GET /health`. */
  readonly healthPort: number;
  readonly log: {
    readonly groupName: string;
    readonly region: string;
    readonly streamPrefix: string;
  };
}

/** One key of a secret whose value is a JSON object. */
export interface SecretValue {
  /** With its six characters at the end, or AWS takes the key for a part of it. */
  readonly arn: string;
  readonly key: string;
}

/** Same in all tasks; one-off tasks are started with it overridden. */
export const WORKER_CONTAINER = "worker";

/**
 * JSON as text. Terraform replaces the references in it; `Fn.jsonencode` would
 * do the same, but nobody, no scanner either, could read what it will say.
 */
export function workerContainers(props: WorkerContainerProps): string {
  return JSON.stringify([
    {
      name: WORKER_CONTAINER,
      image: props.image,
      essential: true,
      user: "10001:10001",
      readonlyRootFilesystem: true,
      privileged: false,
      linuxParameters: {
        initProcessEnabled: true,
        capabilities: { drop: ["ALL"] },
      },
      // The most that Fargate grants; the worker ends in order within 10 s.
      stopTimeout: 120,
      environment: sorted(props.environment).map(([name, value]) => ({
        name,
        value: literal(value),
      })),
      secrets: sorted(props.secrets).map(([name, { arn, key }]) => ({
        name,
        valueFrom: `${arn}:${key}::`,
      })),
      healthCheck: {
        command: ["CMD", "node", "-e", healthCheck(props.healthPort)],
        interval: 30,
        timeout: 10,
        retries: 3,
        // Longer than the worker tries for its first stream before it ends by
        // itself: a source that is not ready fails no health check.
        startPeriod: 300,
      },
      logConfiguration: {
        logDriver: "awslogs",
        options: {
          "awslogs-group": props.log.groupName,
          "awslogs-region": props.log.region,
          "awslogs-stream-prefix": props.log.streamPrefix,
          // A log that cannot be delivered must not stop the trail.
          mode: "non-blocking",
          "max-buffer-size": "25m",
        },
      },
    },
  ]);
}

/** Terraform would take `${` and `%{` for the beginning of an expression. */
function literal(value: string): string {
  return value
    .replaceAll(/\$\{(?!TfToken\[)/g, () => "$${")
    .replaceAll("%{", () => "%%{");
}

/** The image has no curl, and ECS does not look at the image's own check. */
function healthCheck(port: number): string {
  return `fetch("http://127.0.0.1:${port}/health").then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
}

/** In a fixed order, so that a plan shows changes only where there are some. */
function sorted<T>(
  values: Readonly<Record<string, T>>,
): readonly (readonly [string, T])[] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}
