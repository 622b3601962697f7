/** An alarm on a figure that RDS itself measures. */
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import type { Construct } from "constructs";

export interface RdsAlarmProps {
  readonly name: string;
  /** What it means, and what to do: all that a reader of the message has. */
  readonly description: string;
  /** Of the namespace AWS/RDS. */
  readonly metric: string;
  readonly statistic: "Maximum" | "Minimum" | "Average" | "Sum";
  readonly dimensions: Readonly<Record<string, string>>;
  /** Whether it is over or under the threshold that is wrong. */
  readonly when: "above" | "below";
  /** In the metric's own unit. */
  readonly threshold: number;
  /**
   * Periods of five minutes, one after the other, in all of which it is so.
   * @default 3
   */
  readonly periods?: number;
  /** Of the alarm's own account and region. */
  readonly topicArn: string;
}

export function rdsAlarm(
  scope: Construct,
  id: string,
  props: RdsAlarmProps,
): CloudwatchMetricAlarm {
  const isAbove = props.when === "above";
  return new CloudwatchMetricAlarm(scope, id, {
    alarmName: props.name,
    alarmDescription: props.description,
    namespace: "AWS/RDS",
    metricName: props.metric,
    statistic: props.statistic,
    dimensions: { ...props.dimensions },
    comparisonOperator: isAbove ? "GreaterThanThreshold" : "LessThanThreshold",
    threshold: props.threshold,
    period: 300,
    evaluationPeriods: props.periods ?? 3,
    // Some figures exist only while there is something to measure, and a
    // database that is down has none at all: the worker's alarms tell of that.
    treatMissingData: "missing",
    alarmActions: [props.topicArn],
    okActions: [props.topicArn],
  });
}
