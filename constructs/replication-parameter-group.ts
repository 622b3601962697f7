/**
 * The parameter group that makes an RDS instance or an Aurora cluster write its
 * log so that changes can be read from it (`wal_level` logical, which RDS sets
 * by a parameter of its own).
 */
import { DbParameterGroup } from "@cdktf/provider-aws/lib/db-parameter-group";
import { RdsClusterParameterGroup } from "@cdktf/provider-aws/lib/rds-cluster-parameter-group";
import { Annotations } from "cdktf";
import { Construct } from "constructs";
import { parameterKind } from "./parameter-kind";

export interface ReplicationParameterGroupProps {
  /** Of the group's name; RDS adds what makes it unique. */
  readonly namePrefix: string;
  /** What it is for: an RDS instance, or an Aurora cluster as a whole. */
  readonly kind: "instance" | "aurora";
  /** PostgreSQL's, 14 to 18; the group is of its family. */
  readonly majorVersion: number;
  /** Log that slots may hold back, in MiB; beyond it a slot is given up. */
  readonly maxSlotWalKeepSizeMib: number;
  /**
   * Slots, and as many WAL senders.
   * @default 20
   */
  readonly maxReplicationSlots?: number;
  /**
   * Values of further parameters, by name: what the database's present group
   * has changed, which this one would otherwise undo.
   * @default {}
   */
  readonly parameters?: Readonly<Record<string, string>>;
}

export class ReplicationParameterGroup extends Construct {
  readonly group: DbParameterGroup | RdsClusterParameterGroup;
  readonly family: string;

  /** @throws Error when `parameters` contradict the other properties. */
  constructor(
    scope: Construct,
    id: string,
    props: ReplicationParameterGroupProps,
  ) {
    super(scope, id);
    const isAurora = props.kind === "aurora";
    this.family = `${isAurora ? "aurora-postgresql" : "postgres"}${props.majorVersion}`;
    this.#warn(props);
    const Group = isAurora ? RdsClusterParameterGroup : DbParameterGroup;
    this.group = new Group(this, "group", {
      namePrefix: props.namePrefix,
      family: this.family,
      description: "Logical replication for the worker of Bemi",
      parameter: Object.entries(valuesOf(props)).map(([name, value]) => ({
        name,
        value,
        applyMethod:
          parameterKind(name) === "dynamic" ? "immediate" : "pending-reboot",
      })),
      // Of another family it is another group, and the database keeps the old
      // one until the new one is attached.
      lifecycle: { createBeforeDestroy: true },
    });
  }

  #warn({ majorVersion, parameters = {} }: ReplicationParameterGroupProps) {
    const annotations = Annotations.of(this);
    if (majorVersion < 14 || majorVersion > 18) {
      annotations.addWarning(
        `${this.family} is a family that nothing here has been tried with: 14 to 18 are`,
      );
    }
    const unknown = Object.keys(parameters).filter(
      (name) => !parameterKind(name),
    );
    if (unknown.length > 0) {
      annotations.addWarning(
        `${unknown.join(", ")}: changes take effect at the next reboot, because constructs/parameter-kind.ts does not have them as dynamic`,
      );
    }
  }
}

/** What replication needs, then what was given, then defaults that it may change. */
function valuesOf(
  props: ReplicationParameterGroupProps,
): Record<string, string> {
  const { parameters = {}, maxReplicationSlots: slots = SERVER_SLOTS } = props;
  const own: Record<string, string> = {
    "rds.logical_replication": "1",
    max_slot_wal_keep_size: String(props.maxSlotWalKeepSizeMib),
    max_replication_slots: String(slots),
    max_wal_senders: String(slots),
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (own[name] === undefined || own[name] === value) continue;
    throw new Error(
      `${name} is ${own[name]} for the worker, and parameters say ${value}: remove it there`,
    );
  }
  // What RDS has without being told is left to it: some of its defaults are
  // higher than what is asked for, and a reader may need them.
  if (slots <= SERVER_SLOTS) delete own.max_replication_slots;
  if (slots <= serverSenders(props)) delete own.max_wal_senders;
  return { ...DEFAULTS, ...parameters, ...own };
}

const DEFAULTS = {
  // The server's own since PostgreSQL 15 only.
  "rds.force_ssl": "1",
  // Until then a worker that is gone without a word keeps its successor from
  // the slot.
  wal_sender_timeout: "60000",
} as const;

const SERVER_SLOTS = 20;

/** RDS for PostgreSQL has 35 since version 16. Aurora has 10. */
function serverSenders({
  kind,
  majorVersion,
}: ReplicationParameterGroupProps): number {
  if (kind === "aurora") return 10;
  return majorVersion < 16 ? 20 : 35;
}
