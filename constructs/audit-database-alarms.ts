/** What an audit database runs short of. */
import type { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { type RdsAlarmProps, rdsAlarm } from "./rds-alarm";

export interface AuditDatabaseAlarmsProps {
  /** In front of every alarm's name. */
  readonly name: string;
  readonly clusterIdentifier: string;
  /** Aurora capacity units of about 2 GiB. */
  readonly minCapacityAcu: number;
  readonly maxCapacityAcu: number;
  readonly topicArn: string;
}

export class AuditDatabaseAlarms extends Construct {
  readonly alarms: readonly CloudwatchMetricAlarm[];

  constructor(scope: Construct, id: string, props: AuditDatabaseAlarmsProps) {
    super(scope, id);
    const { name, clusterIdentifier, topicArn } = props;
    const cluster = { DBClusterIdentifier: clusterIdentifier };
    // Which instance it is changes at a failover.
    const writer = { ...cluster, Role: "WRITER" };
    const alarm = (
      what: string,
      own: Omit<RdsAlarmProps, "name" | "topicArn">,
    ) => rdsAlarm(this, what, { ...own, name: `${name}-${what}`, topicArn });
    this.alarms = [
      alarm("capacity", {
        description:
          "The audit database uses more than 90 % of the capacity that it may: raise destination.maxCapacityAcu, or look at what is asked of it.",
        metric: "ACUUtilization",
        statistic: "Average",
        dimensions: cluster,
        when: "above",
        threshold: 90,
      }),
      alarm("connections", {
        description:
          "The audit database has more than 80 % of the connections that it takes, and the worker may get none: see who holds them.",
        metric: "DatabaseConnections",
        statistic: "Maximum",
        dimensions: writer,
        when: "above",
        threshold: Math.floor(maxConnections(props) * 0.8),
      }),
      alarm("memory", {
        description:
          "The audit database has less than 5 % of its memory free, even at its largest: raise destination.maxCapacityAcu.",
        metric: "FreeableMemory",
        statistic: "Minimum",
        dimensions: writer,
        when: "below",
        threshold: Math.floor(props.maxCapacityAcu * 2 * 2 ** 30 * 0.05),
      }),
      alarm("deadlocks", {
        description:
          "Sessions of the audit database wait for each other in a circle: something besides the worker writes to it.",
        metric: "Deadlocks",
        statistic: "Maximum",
        dimensions: writer,
        when: "above",
        threshold: 0,
        periods: 1,
      }),
    ];
  }
}

/**
 * Aurora's default: by the memory at the largest capacity, at most 5000, and at
 * most 2000 where the capacity can go below 1.
 * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html
 */
function maxConnections({
  minCapacityAcu,
  maxCapacityAcu,
}: AuditDatabaseAlarmsProps): number {
  const byMemory = maxCapacityAcu * CONNECTIONS_PER_ACU;
  return Math.min(byMemory, minCapacityAcu < 1 ? 2000 : 5000);
}

/** Of 1 unit; larger ones have a few more of each. */
const CONNECTIONS_PER_ACU = 189;
