/** Alarms of a WireGuard host; two of them act by themselves. */
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface WireGuardAlarmsProps {
  readonly namePrefix: string;
  readonly region: string;
  readonly instanceId: string;
  readonly instanceType: string;
  readonly metricNamespace: string;
  /** Dimensions of the host's own metrics. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** SNS topic of the same account and region. */
  readonly topicArn: string;
}

/** CPU credits: a few minutes of a full processor before it is held back. */
const LOW_CREDITS = 10;
const MAX_HANDSHAKE_AGE_SECONDS = 300;

export class WireGuardAlarms extends Construct {
  /** By what they are about. */
  readonly alarms: readonly CloudwatchMetricAlarm[];

  constructor(scope: Construct, id: string, props: WireGuardAlarmsProps) {
    super(scope, id);
    this.alarms = alarmsOf(props).map(
      ({ name, action, ...alarm }) =>
        new CloudwatchMetricAlarm(this, name, {
          alarmName: `${props.namePrefix}-${name}`,
          statistic: "Maximum",
          comparisonOperator: "GreaterThanThreshold",
          alarmActions: [...(action ? [action] : []), props.topicArn],
          okActions: [props.topicArn],
          ...alarm,
        }),
    );
  }
}

interface Alarm {
  readonly name: string;
  readonly alarmDescription: string;
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly period: number;
  readonly evaluationPeriods: number;
  readonly threshold: number;
  readonly treatMissingData: "breaching" | "notBreaching" | "missing";
  readonly statistic?: "Minimum";
  readonly comparisonOperator?: "LessThanThreshold";
  /** Beside the topic. */
  readonly action?: string;
}

function alarmsOf(props: WireGuardAlarmsProps): Alarm[] {
  const { region, instanceId, instanceType } = props;
  const own = {
    namespace: props.metricNamespace,
    dimensions: props.dimensions,
    period: 60,
  };
  const ec2 = {
    namespace: "AWS/EC2",
    dimensions: { InstanceId: instanceId },
    period: 60,
    treatMissingData: "missing" as const,
  };
  const act = (verb: string) =>
    `arn:${partitionOf(region)}:automate:${region}:ec2:${verb}`;
  const alarms: Alarm[] = [
    {
      ...own,
      name: "handshake",
      alarmDescription:
        "The WireGuard tunnel is down; the log of this host says why. The source holds its write-ahead log until it is up again.",
      metricName: "HandshakeAgeSeconds",
      evaluationPeriods: 3,
      threshold: MAX_HANDSHAKE_AGE_SECONDS,
      // A host that says nothing is no better than one that is cut off.
      treatMissingData: "breaching",
    },
    {
      ...own,
      name: "key",
      alarmDescription:
        "The secret has no usable key for this host: after its next start the tunnel stays down.",
      metricName: "KeyFault",
      evaluationPeriods: 3,
      threshold: 0,
      treatMissingData: "notBreaching",
    },
    {
      ...ec2,
      name: "system-check",
      alarmDescription: "The machine below failed; AWS moves the instance.",
      metricName: "StatusCheckFailed_System",
      evaluationPeriods: 2,
      threshold: 0,
      action: act("recover"),
    },
    {
      ...ec2,
      name: "instance-check",
      alarmDescription: "The system hangs; it is started anew.",
      metricName: "StatusCheckFailed_Instance",
      evaluationPeriods: 3,
      threshold: 0,
      action: act("reboot"),
    },
  ];
  if (!instanceType.startsWith("t")) return alarms;
  return [
    ...alarms,
    {
      ...ec2,
      name: "cpu-credits",
      alarmDescription:
        "The instance uses more processor than it earns: take a larger type.",
      metricName: "CPUCreditBalance",
      period: 300,
      evaluationPeriods: 3,
      statistic: "Minimum",
      comparisonOperator: "LessThanThreshold",
      threshold: LOW_CREDITS,
    },
  ];
}
