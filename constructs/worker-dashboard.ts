/** The trail at a glance, for whoever an alarm has woken. */
import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { Construct } from "constructs";

export interface WorkerDashboardProps {
  /** Of the dashboard. */
  readonly name: string;
  readonly region: string;
  /** Of the worker's embedded metrics. */
  readonly namespace: string;
  /** Value of their dimension `Environment`. */
  readonly environment: string;
  readonly clusterName: string;
  readonly logGroupName: string;
  readonly workers: readonly {
    readonly slotName: string;
    readonly serviceName: string;
  }[];
  readonly lagSeconds: number;
  /** Log that the source keeps for a slot, from where it is an alarm. */
  readonly slotRetainedBytes: number;
  /** On top, in this order. */
  readonly alarmArns: readonly string[];
}

/** Cost, list price: 3 USD a month beyond the first three of an account. */
export class WorkerDashboard extends Construct {
  readonly dashboard: CloudwatchDashboard;

  constructor(scope: Construct, id: string, props: WorkerDashboardProps) {
    super(scope, id);
    this.dashboard = new CloudwatchDashboard(this, "dashboard", {
      dashboardName: props.name,
      dashboardBody: JSON.stringify({
        periodOverride: "inherit",
        widgets: widgetsOf(props),
      }),
    });
  }
}

/** Of 24 columns, two to a row; CloudWatch puts them one after the other. */
function widgetsOf(props: WorkerDashboardProps): readonly object[] {
  const { region, workers, lagSeconds, slotRetainedBytes } = props;
  const figure = (metricName: string, stat: "Maximum" | "Minimum") =>
    workers.map(({ slotName }) => [
      props.namespace,
      metricName,
      ...["Environment", props.environment, "Slot", slotName],
      { stat, label: slotName },
    ]);
  const rate = (metricName: string) =>
    workers.flatMap(({ slotName }, index) => [
      [
        {
          expression: `RATE(counter${index})`,
          id: `rate${index}`,
          label: slotName,
        },
      ],
      [
        props.namespace,
        metricName,
        ...["Environment", props.environment, "Slot", slotName],
        { stat: "Maximum", id: `counter${index}`, visible: false },
      ],
    ]);
  const ecs = (metricName: string) =>
    workers.map(({ serviceName }) => [
      "AWS/ECS",
      metricName,
      ...["ClusterName", props.clusterName, "ServiceName", serviceName],
      { stat: "Maximum", label: serviceName },
    ]);
  const chart = (
    title: string,
    metrics: readonly unknown[],
    limit?: Limit,
  ) => ({
    type: "metric",
    width: 12,
    height: 6,
    properties: {
      title,
      region,
      view: "timeSeries",
      period: 60,
      metrics,
      yAxis: { left: { min: 0 } },
      ...(limit ? { annotations: { horizontal: [limit] } } : {}),
    },
  });
  return [
    {
      type: "alarm",
      width: 24,
      height: 3,
      properties: { title: "Alarms", alarms: props.alarmArns },
    },
    chart("Lag, seconds", figure("Lag", "Maximum"), {
      label: "alarm",
      value: lagSeconds,
    }),
    chart("Log kept at the source, bytes", figure("SlotRetained", "Maximum"), {
      label: "alarm",
      value: slotRetainedBytes,
    }),
    chart("Changes a second", rate("Changes")),
    chart("Streaming", figure("Streaming", "Minimum")),
    chart(
      "Seconds until the slot is lost",
      figure("SlotExhaustion", "Minimum"),
    ),
    chart("Blocked, seconds", figure("Blocked", "Maximum")),
    chart("Processor, %", ecs("CPUUtilization")),
    chart("Memory, %", ecs("MemoryUtilization")),
    {
      type: "log",
      width: 24,
      height: 6,
      properties: {
        title: "Warnings and errors",
        region,
        view: "table",
        query: `SOURCE '${props.logGroupName}' | fields @timestamp, level, msg, remedy | filter level in ["warn", "error", "fatal"] | sort @timestamp desc | limit 50`,
      },
    },
  ];
}

interface Limit {
  readonly label: string;
  readonly value: number;
}
