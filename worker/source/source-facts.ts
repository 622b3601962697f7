/**
 * Everything about the source's server that a check or the set-up decides by,
 * read once. Columns that came or went between 14 and 18 are read through
 * to_jsonb(row), which has null for a column the server does not know, so that
 * one statement serves every version (13 too, in order to refuse it politely).
 */
import { type ClientBase, escapeLiteral } from "pg";
import { DDL_TRIGGERS } from "./ddl-trigger";
import { eventTriggerNames } from "./event-trigger";
import { type PublicationFacts, readPublication } from "./publication-facts";

export interface SourceFacts {
  /** As in 180004. */
  readonly versionNum: number;
  readonly walLevel: string;
  readonly inRecovery: boolean;
  readonly encoding: string;
  readonly database: { readonly name: string; readonly oid: number };
  readonly role: RoleFacts;
  /** Amazon RDS or Aurora, where rds_superuser stands for the superuser. */
  readonly onRds: boolean;
  /** Of the schema `_bemi`; null where there is none, or a superuser owns it. */
  readonly schemaOwner: string | null;
  /** Without the connection that asks. */
  readonly walSenders: Allowance;
  readonly replicationSlots: Allowance;
  /** Undefined: a slot may hold any amount of WAL. */
  readonly maxSlotWalKeepBytes: number | undefined;
  /** Undefined: an idle slot is never invalidated (always so before 18). */
  readonly idleSlotTimeoutSeconds: number | undefined;
  readonly slot: SlotFacts | undefined;
  readonly publication: PublicationFacts | undefined;
  readonly eventTrigger: EventTriggerFacts | undefined;
  /** Those of them that are there. */
  readonly ddlTriggers: readonly EventTriggerFacts[];
  /** Older than an hour: each holds back the slot. */
  readonly oldPrepared: readonly PreparedTransaction[];
}

export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  /** Has the attribute REPLICATION. */
  readonly replication: boolean;
  readonly rdsReplication: boolean;
  readonly rdsSuperuser: boolean;
}

export interface Allowance {
  readonly max: number;
  readonly used: number;
}

export interface SlotFacts {
  /** Null for a physical slot. */
  readonly plugin: string | null;
  readonly type: string;
  readonly database: string | null;
  readonly active: boolean;
  readonly activePid: number | null;
  readonly restartLsn: string | null;
  readonly confirmedFlushLsn: string | null;
  readonly walStatus: string | null;
  /** Decimal digits; null when nothing limits it, or when it is lost. */
  readonly safeWalBytes: string | null;
  readonly twoPhase: boolean;
  readonly temporary: boolean;
  /** 17 and later. */
  readonly invalidationReason: string | null;
  /** Copied to standbys; null before 17, which cannot. */
  readonly failover: boolean | null;
}

export interface EventTriggerFacts {
  readonly name: string;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  /** Of the function that it calls. */
  readonly functionSchema: string;
  readonly functionBody: string;
  readonly functionOwner: string;
  /**
   * The function belongs to the trigger's owner, or to a superuser: to nobody
   * who could make others run what he likes by replacing it.
   */
  readonly functionTrusted: boolean;
}

export interface PreparedTransaction {
  readonly gid: string;
  readonly database: string;
  readonly ageSeconds: number;
}

/** Works on an ordinary connection and on a `replication=database` one. */
export async function readSourceFacts(
  client: ClientBase,
  names: { readonly slotName: string; readonly publicationName: string },
): Promise<SourceFacts> {
  const first = await client.query<ServerRow>(SERVER);
  const [server] = first.rows;
  if (!server) throw new Error("the server answered no row about itself");
  const slots = await client.query<SlotFacts>(slotQuery(names.slotName));
  const eventTriggerName = eventTriggerNames(names.publicationName).trigger;
  const ddlTriggerNames = DDL_TRIGGERS.map(({ name }) => name);
  const triggers = await client.query<EventTriggerFacts>(
    eventTriggerQuery([eventTriggerName, ...ddlTriggerNames]),
  );
  const prepared = await client.query<PreparedTransaction>(OLD_PREPARED);
  const { databaseName, databaseOid, roleName, ...rest } = server;
  const { superuser, replication, rdsReplication, rdsSuperuser, ...others } =
    rest;
  const { maxWalSenders, usedWalSenders, maxSlots, usedSlots, ...settings } =
    others;
  const { keepMegabytes, idleSeconds, ...known } = settings;
  return {
    ...known,
    database: { name: databaseName, oid: databaseOid },
    role: {
      name: roleName,
      superuser,
      replication,
      rdsReplication,
      rdsSuperuser,
    },
    walSenders: { max: maxWalSenders, used: usedWalSenders },
    replicationSlots: { max: maxSlots, used: usedSlots },
    maxSlotWalKeepBytes:
      keepMegabytes === null || keepMegabytes < 0
        ? undefined
        : keepMegabytes * 1024 ** 2,
    idleSlotTimeoutSeconds: idleSeconds || undefined,
    slot: slots.rows[0],
    publication: await readPublication(
      client,
      names.publicationName,
      server.versionNum,
    ),
    eventTrigger: triggers.rows.find(({ name }) => name === eventTriggerName),
    ddlTriggers: triggers.rows.filter(({ name }) =>
      ddlTriggerNames.includes(name),
    ),
    oldPrepared: prepared.rows,
  };
}

interface ServerRow
  extends Pick<
    SourceFacts,
    | "versionNum"
    | "walLevel"
    | "inRecovery"
    | "encoding"
    | "onRds"
    | "schemaOwner"
  > {
  readonly databaseName: string;
  readonly databaseOid: number;
  readonly roleName: string;
  readonly superuser: boolean;
  readonly replication: boolean;
  readonly rdsReplication: boolean;
  readonly rdsSuperuser: boolean;
  readonly maxWalSenders: number;
  readonly usedWalSenders: number;
  readonly maxSlots: number;
  readonly usedSlots: number;
  readonly keepMegabytes: number | null;
  readonly idleSeconds: number | null;
}

/** Roles of RDS exist only there, and pg_has_role fails on an unknown name. */
const memberOf = (role: string) => `EXISTS (SELECT FROM pg_catalog.pg_roles g
    WHERE g.rolname = '${role}' AND pg_catalog.pg_has_role(g.oid, 'MEMBER'))`;

/** Of a row of pg_roles: a superuser, or what stands for one on Amazon RDS. */
const mayDoAnything = (role: string) => `(${role}.rolsuper
    OR EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE g.rolname = 'rds_superuser'
      AND pg_catalog.pg_has_role(${role}.oid, g.oid, 'MEMBER')))`;

const SERVER = `
SELECT pg_catalog.current_setting('server_version_num')::int AS "versionNum",
  pg_catalog.current_setting('wal_level') AS "walLevel",
  pg_catalog.pg_is_in_recovery() AS "inRecovery",
  pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
  d.datname::text AS "databaseName", d.oid AS "databaseOid",
  r.rolname::text AS "roleName", r.rolsuper AS superuser,
  r.rolreplication AS replication,
  ${memberOf("rds_replication")} AS "rdsReplication",
  ${memberOf("rds_superuser")} AS "rdsSuperuser",
  EXISTS (SELECT FROM pg_catalog.pg_roles g
    WHERE g.rolname = 'rds_superuser') AS "onRds",
  (SELECT o.rolname::text FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
    WHERE n.nspname = '_bemi' AND NOT ${mayDoAnything("o")}) AS "schemaOwner",
  pg_catalog.current_setting('max_wal_senders')::int AS "maxWalSenders",
  (SELECT count(*)::int FROM pg_catalog.pg_stat_replication s
    WHERE s.pid <> pg_catalog.pg_backend_pid()) AS "usedWalSenders",
  pg_catalog.current_setting('max_replication_slots')::int AS "maxSlots",
  (SELECT count(*)::int FROM pg_catalog.pg_replication_slots) AS "usedSlots",
  (SELECT setting::float8 FROM pg_catalog.pg_settings
    WHERE name = 'max_slot_wal_keep_size') AS "keepMegabytes",
  (SELECT setting::float8 * CASE unit WHEN 'min' THEN 60 ELSE 1 END
    FROM pg_catalog.pg_settings
    WHERE name = 'idle_replication_slot_timeout') AS "idleSeconds"
FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user`;

/** two_phase came with 14, invalidation_reason and failover with 17. */
function slotQuery(name: string): string {
  return `
SELECT s.plugin::text AS plugin, s.slot_type AS type,
  s.database::text AS database, s.active, s.active_pid AS "activePid",
  s.restart_lsn::text AS "restartLsn",
  s.confirmed_flush_lsn::text AS "confirmedFlushLsn",
  s.wal_status AS "walStatus", s.safe_wal_size::text AS "safeWalBytes",
  COALESCE((to_jsonb(s)->>'two_phase')::boolean, false) AS "twoPhase",
  s.temporary, to_jsonb(s)->>'invalidation_reason' AS "invalidationReason",
  (to_jsonb(s)->>'failover')::boolean AS failover
FROM pg_catalog.pg_replication_slots s
WHERE s.slot_name = ${escapeLiteral(name)}`;
}

function eventTriggerQuery(names: readonly string[]): string {
  const list = names.map((name) => escapeLiteral(name)).join(", ");
  return `
SELECT t.evtname::text AS name, t.evtenabled <> 'D' AS enabled,
  COALESCE(to_json(t.evttags), '[]') AS tags,
  n.nspname::text AS "functionSchema", p.prosrc AS "functionBody",
  o.rolname::text AS "functionOwner",
  o.oid = t.evtowner OR ${mayDoAnything("o")} AS "functionTrusted"
FROM pg_catalog.pg_event_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
WHERE t.evtname IN (${list})`;
}

const OLD_PREPARED = `
SELECT gid, database::text AS database,
  extract(epoch FROM now() - prepared)::int AS "ageSeconds"
FROM pg_catalog.pg_prepared_xacts
WHERE prepared < now() - interval '1 hour' ORDER BY prepared`;
