/**
 * When somebody has to look at the worker. Alarms whose one cause is that a
 * trail stands still tell nobody by themselves: they are behind one alarm on
 * top. Every other has a remedy of its own, and tells.
 */
import { CloudwatchCompositeAlarm } from "@cdktf/provider-aws/lib/cloudwatch-composite-alarm";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { LogAlarm } from "./log-alarm";

export interface WorkerAlarmsProps {
  /** In front of every name. */
  readonly name: string;
  /** SNS topic of the same account and region. */
  readonly topicArn: string;
  /** Of the worker's embedded metrics. */
  readonly namespace: string;
  /** Value of their dimension `Environment`. */
  readonly environment: string;
  readonly clusterName: string;
  readonly logGroupName: string;
  readonly workers: readonly WatchedWorker[];
  /** From a commit at the source until it is stored. */
  readonly lagSeconds: number;
  /** Log that the source keeps for a slot, from where it is an alarm. */
  readonly slotRetainedBytes: number;
}

/** One slot's. */
export interface WatchedWorker {
  /** Construct id. */
  readonly id: string;
  readonly slotName: string;
  /** In ECS; alarms are called by it. */
  readonly serviceName: string;
}

/** Cost, list price: 0.10 USD a month for each alarm. */
export class WorkerAlarms extends Construct {
  /** By construct id, as `bemi/lag`. */
  readonly alarms: ReadonlyMap<string, CloudwatchMetricAlarm>;
  readonly operatorNeeded: LogAlarm;
  readonly errors: LogAlarm;
  readonly down: CloudwatchCompositeAlarm;

  constructor(scope: Construct, id: string, props: WorkerAlarmsProps) {
    super(scope, id);
    const { name, topicArn, logGroupName, environment } = props;
    const tell = { alarmActions: [topicArn], okActions: [topicArn] };
    const alarms = new Map<string, CloudwatchMetricAlarm>();
    const standstills: CloudwatchMetricAlarm[] = [];
    for (const worker of props.workers) {
      const place = new Construct(this, worker.id);
      for (const rule of rulesOf(worker, props)) {
        const alarm = new CloudwatchMetricAlarm(place, rule.id, {
          alarmName: `${worker.serviceName}-${rule.id}`,
          alarmDescription: rule.description,
          comparisonOperator: rule.comparison,
          threshold: rule.threshold,
          evaluationPeriods: rule.minutes,
          datapointsToAlarm: rule.minutes,
          treatMissingData: rule.missing,
          ...rule.metric,
          ...(rule.isStandstill ? {} : tell),
        });
        alarms.set(`${worker.id}/${rule.id}`, alarm);
        if (rule.isStandstill) standstills.push(alarm);
      }
    }
    this.alarms = alarms;

    // Metrics out of the log have no dimension to tell environments apart by.
    const logNamespace = `${props.namespace}/${environment}`;
    this.operatorNeeded = new LogAlarm(this, "operator-needed", {
      name: `${name}-worker-operator-needed`,
      description:
        "The worker ended because somebody has to act: the last line of its log has the reason and the remedy. A lost slot is told like this. docs/operations.md, Exit codes",
      logGroupName,
      pattern: "{ $.exitCode = 2 || $.exitCode = 3 }",
      namespace: logNamespace,
      metricName: "OperatorNeeded",
      periodMinutes: 5,
      topicArn,
    });
    this.errors = new LogAlarm(this, "errors", {
      name: `${name}-worker-errors`,
      description:
        "The worker has logged an error, or ended with one. docs/operations.md, Reading the log",
      logGroupName,
      pattern: '{ $.level = "error" || $.level = "fatal" }',
      namespace: logNamespace,
      metricName: "Errors",
      periodMinutes: 15,
      topicArn,
    });
    this.down = new CloudwatchCompositeAlarm(this, "down", {
      alarmName: `${name}-worker-down`,
      alarmDescription:
        "A trail stands still or is late: the source keeps its log for it meanwhile. docs/operations.md, Health",
      alarmRule: standstills
        .map((alarm) => `ALARM("${alarm.alarmName}")`)
        .join(" OR "),
      ...tell,
    });
  }
}

interface Rule {
  readonly id: string;
  readonly description: string;
  readonly metric: Readonly<
    Pick<
      ConstructorParameters<typeof CloudwatchMetricAlarm>[2],
      | "namespace"
      | "metricName"
      | "dimensions"
      | "statistic"
      | "period"
      | "metricQuery"
    >
  >;
  readonly comparison:
    | "GreaterThanThreshold"
    | "GreaterThanOrEqualToThreshold"
    | "LessThanThreshold";
  readonly threshold: number;
  /** All of them have to be over the threshold: a single line can be lost. */
  readonly minutes: number;
  readonly missing: "breaching" | "notBreaching";
  readonly isStandstill?: true;
}

function rulesOf(
  { slotName, serviceName }: WatchedWorker,
  props: WorkerAlarmsProps,
): readonly Rule[] {
  const dimensions = { Environment: props.environment, Slot: slotName };
  const figure = (metricName: string, statistic: "Maximum" | "Minimum") => ({
    namespace: props.namespace,
    metricName,
    dimensions,
    statistic,
    period: 60,
  });
  /** What a counter that begins anew with each process has grown by. */
  const growth = (metricName: string) => ({
    metricQuery: [
      { id: "growth", expression: "DIFF(counter)", returnData: true },
      {
        id: "counter",
        metric: {
          namespace: props.namespace,
          metricName,
          dimensions,
          stat: "Maximum",
          period: 60,
        },
      },
    ],
  });
  return [
    {
      id: "not-streaming",
      description: `Slot ${slotName}: no stream from the source, or no worker that says so`,
      metric: figure("Streaming", "Minimum"),
      comparison: "LessThanThreshold",
      threshold: 1,
      minutes: 5,
      missing: "breaching",
      isStandstill: true,
    },
    {
      id: "lag",
      description: `Slot ${slotName}: what is committed at the source is stored late, or it is not known how late`,
      metric: figure("Lag", "Maximum"),
      comparison: "GreaterThanThreshold",
      threshold: props.lagSeconds,
      minutes: 5,
      missing: "breaching",
      isStandstill: true,
    },
    {
      id: "not-running",
      description: `Slot ${slotName}: ECS runs no task of ${serviceName}`,
      metric: {
        namespace: "ECS/ContainerInsights",
        metricName: "RunningTaskCount",
        dimensions: {
          ClusterName: props.clusterName,
          ServiceName: serviceName,
        },
        statistic: "Maximum",
        period: 60,
      },
      comparison: "LessThanThreshold",
      threshold: 1,
      minutes: 5,
      missing: "breaching",
      isStandstill: true,
    },
    {
      id: "slot-retained",
      description: `Slot ${slotName}: the source keeps much log for it, or nobody measures how much. docs/operations.md, Lost slot`,
      metric: figure("SlotRetained", "Maximum"),
      comparison: "GreaterThanThreshold",
      threshold: props.slotRetainedBytes,
      minutes: 5,
      missing: "breaching",
    },
    {
      id: "slot-exhaustion",
      description: `Slot ${slotName}: lost within a day if the log kept for it goes on growing like this. docs/operations.md, Lost slot`,
      metric: figure("SlotExhaustion", "Minimum"),
      comparison: "LessThanThreshold",
      threshold: 86_400,
      minutes: 15,
      // It is known only while the slot grows, and the server sets a limit.
      missing: "notBreaching",
    },
    {
      id: "rows-reduced",
      description: `Slot ${slotName}: changes were stored without their values. docs/operations.md, Reduced rows`,
      metric: growth("ReducedRows"),
      comparison: "GreaterThanThreshold",
      threshold: 0,
      minutes: 1,
      missing: "notBreaching",
    },
    {
      id: "contexts-invalid",
      description: `Slot ${slotName}: the application sends a context that is no JSON object`,
      metric: growth("InvalidContexts"),
      comparison: "GreaterThanThreshold",
      threshold: 0,
      minutes: 1,
      missing: "notBreaching",
    },
  ];
}
