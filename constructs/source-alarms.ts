/**
 * What can go wrong at the source because a slot holds back its log, told
 * before the database stops or gives the slot up.
 */
import type { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { type RdsAlarmProps, rdsAlarm } from "./rds-alarm";

export interface SourceAlarmsProps {
  /** In front of every alarm's name. */
  readonly namePrefix: string;
  readonly source:
    | {
        readonly kind: "instance";
        /** DBInstanceIdentifier. */
        readonly identifier: string;
        readonly allocatedStorageGib: number;
      }
    | {
        readonly kind: "aurora";
        /** DBClusterIdentifier. */
        readonly identifier: string;
      };
  /** Log that slots may hold back, in MiB. */
  readonly maxSlotWalKeepSizeMib: number;
  /** Of the source's account and region. */
  readonly topicArn: string;
}

const MIB = 2 ** 20;

export class SourceAlarms extends Construct {
  readonly alarms: readonly CloudwatchMetricAlarm[];

  constructor(scope: Construct, id: string, props: SourceAlarmsProps) {
    super(scope, id);
    const { source, namePrefix, topicArn } = props;
    const dimensions: Record<string, string> =
      source.kind === "instance"
        ? { DBInstanceIdentifier: source.identifier }
        : { DBClusterIdentifier: source.identifier, Role: "WRITER" };
    const alarms =
      source.kind === "instance"
        ? instanceAlarms(props, source.allocatedStorageGib)
        : auroraAlarms(props);
    this.alarms = Object.entries({ ...alarms, ...TRANSACTION_IDS }).map(
      ([alarm, own]) =>
        rdsAlarm(this, alarm, {
          ...own,
          name: `${namePrefix}-source-${alarm}`,
          dimensions,
          topicArn,
        }),
    );
  }
}

type Own = Omit<RdsAlarmProps, "name" | "dimensions" | "topicArn">;

/** By the last part of the alarm's name. */
type Alarms = Readonly<Record<string, Own>>;

function instanceAlarms(
  { maxSlotWalKeepSizeMib: limitMib }: SourceAlarmsProps,
  storageGib: number,
): Alarms {
  return {
    storage: {
      description:
        "Less than 15 % of the storage is free, and the database stops when it is full: see whether a worker is down (docs/operations.md), then what else grows.",
      metric: "FreeStorageSpace",
      statistic: "Minimum",
      when: "below",
      threshold: Math.floor(storageGib * 1024 * MIB * 0.15),
    },
    log: {
      description: `The log takes more than the ${limitMib} MiB that slots may hold back: the oldest slot is about to be lost, or something else holds it (docs/operations.md).`,
      metric: "TransactionLogsDiskUsage",
      statistic: "Maximum",
      when: "above",
      threshold: limitMib * MIB,
    },
    slot: {
      description: `A slot holds back more than half of the ${limitMib} MiB that it may, and beyond them is lost: get its worker going (docs/operations.md).`,
      metric: "OldestReplicationSlotLag",
      statistic: "Maximum",
      when: "above",
      threshold: (limitMib * MIB) / 2,
    },
  };
}

/** Its storage grows by itself, and it does not tell how far a slot is behind. */
function auroraAlarms({
  maxSlotWalKeepSizeMib: limitMib,
}: SourceAlarmsProps): Alarms {
  return {
    log: {
      description: `The log takes more than half of the ${limitMib} MiB that slots may hold back, and beyond them a slot is lost: get its worker going (docs/operations.md).`,
      metric: "TransactionLogsDiskUsage",
      statistic: "Maximum",
      when: "above",
      threshold: (limitMib * MIB) / 2,
    },
    slot: {
      description:
        "What is kept for slots beside the log takes more than 10 GiB: a transaction is very large, or its reader very slow (docs/operations.md).",
      metric: "ReplicationSlotDiskUsage",
      statistic: "Maximum",
      when: "above",
      threshold: 10 * 1024 * MIB,
    },
  };
}

/** A slot keeps VACUUM from what its transactions may still see. */
const TRANSACTION_IDS: Alarms = {
  "transaction-ids": {
    description:
      "Half of all transaction IDs before the server refuses writes are used: VACUUM is held back, by a long transaction or by a slot.",
    metric: "MaximumUsedTransactionIDs",
    statistic: "Maximum",
    when: "above",
    threshold: 1_000_000_000,
  },
};
