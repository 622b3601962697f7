/** A source that is in order, to be made wrong in one respect by a test. */
import {
  DDL_TRIGGER_BODY,
  DDL_TRIGGERS,
} from "../../worker/source/ddl-trigger";
import type { PublicationFacts } from "../../worker/source/publication-facts";
import type { SlotFacts, SourceFacts } from "../../worker/source/source-facts";
import type { SourceTable } from "../../worker/source/tracked-tables";

export function aTable(
  name: string,
  changed: Partial<SourceTable> = {},
): SourceTable {
  return {
    oid: [...name].reduce((oid, letter) => oid * 7 + letter.charCodeAt(0), 1),
    schema: "public",
    name,
    owner: "app",
    ownerMayMark: true,
    mayAlter: true,
    partitioned: false,
    ancestors: [],
    unlogged: false,
    extension: false,
    identity: "full",
    hasPrimaryKey: true,
    hasIdentityIndex: false,
    hasStoredGenerated: false,
    hasVirtualGenerated: false,
    keyHasGenerated: false,
    ...changed,
  };
}

export const goodSlot: SlotFacts = {
  plugin: "pgoutput",
  type: "logical",
  database: "app",
  active: false,
  activePid: null,
  restartLsn: "0/1000",
  confirmedFlushLsn: "0/1100",
  walStatus: "reserved",
  safeWalBytes: null,
  twoPhase: false,
  temporary: false,
  invalidationReason: null,
  failover: true,
};

export const goodPublication: PublicationFacts = {
  allTables: false,
  schemas: ["public"],
  tableOids: [],
  insert: true,
  update: true,
  delete: true,
  truncate: true,
  viaRoot: false,
  storedGenerated: true,
  rowFiltered: [],
  columnListed: [],
};

export const goodFacts: SourceFacts = {
  versionNum: 180004,
  walLevel: "logical",
  inRecovery: false,
  encoding: "UTF8",
  database: { name: "app", oid: 16384 },
  role: {
    name: "bemi",
    superuser: false,
    replication: true,
    rdsReplication: false,
    rdsSuperuser: false,
  },
  onRds: false,
  schemaOwner: null,
  walSenders: { max: 10, used: 0 },
  replicationSlots: { max: 10, used: 1 },
  maxSlotWalKeepBytes: undefined,
  idleSlotTimeoutSeconds: undefined,
  slot: goodSlot,
  publication: goodPublication,
  eventTrigger: {
    name: "_bemi_set_replica_identity_trigger",
    enabled: true,
    tags: [],
    functionSchema: "_bemi",
    functionBody: "",
    functionOwner: "postgres",
    functionTrusted: true,
  },
  ddlTriggers: DDL_TRIGGERS.map(({ name, tags }) => ({
    name,
    enabled: true,
    tags,
    functionSchema: "_bemi",
    functionBody: DDL_TRIGGER_BODY,
    functionOwner: "postgres",
    functionTrusted: true,
  })),
  oldPrepared: [],
};
