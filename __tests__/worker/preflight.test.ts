import { ConfigurationError, OperatorError } from "../../worker/errors";
import { type Finding, refuse } from "../../worker/finding";
import { parseTablePatterns } from "../../worker/settings/tables";
import { checkSource, type Expectations } from "../../worker/source/preflight";
import type { PublicationFacts } from "../../worker/source/publication-facts";
import type {
  RoleFacts,
  SlotFacts,
  SourceFacts,
} from "../../worker/source/source-facts";
import {
  aTable,
  goodFacts,
  goodPublication,
  goodSlot,
} from "../support/source-facts";

const expectations: Expectations = {
  slotName: "bemi",
  publicationName: "bemi",
  trackTables: parseTablePatterns("public.*"),
};
const willSetUp = { ...expectations, willSetUp: true };

function findings(
  changed: Partial<SourceFacts>,
  tables = [aTable("todo")],
  expected: Expectations = expectations,
): Finding[] {
  return checkSource({ ...goodFacts, ...changed }, tables, expected);
}

function codes(...input: Parameters<typeof findings>): string[] {
  return findings(...input).map(({ severity, code }) => `${severity} ${code}`);
}

const role = (changed: Partial<RoleFacts>) => ({
  role: { ...goodFacts.role, replication: false, ...changed },
});
const slot = (changed: Partial<SlotFacts>) => ({
  slot: { ...goodSlot, ...changed },
});
const publication = (changed: Partial<PublicationFacts>) => ({
  publication: { ...goodPublication, ...changed },
});

test("a source in order has no findings", () => {
  expect(findings({})).toEqual([]);
});

test.each<[string, Partial<SourceFacts>, string, string]>([
  [
    "a version before 14",
    { versionNum: 130023 },
    "error version-too-old",
    "13.23",
  ],
  [
    "a minor that loses rows",
    { versionNum: 170004 },
    "warning version-with-known-flaw",
    "17.6",
  ],
  [
    "a minor that fails",
    { versionNum: 150013 },
    "warning version-with-known-flaw",
    "invalid memory alloc",
  ],
  [
    "wal_level",
    { walLevel: "replica" },
    "error wal-level",
    "ALTER SYSTEM SET wal_level = logical",
  ],
  [
    "wal_level on RDS",
    { walLevel: "replica", onRds: true },
    "error wal-level",
    "rds.logical_replication = 1",
  ],
  ["a standby", { inRecovery: true }, "error standby", "writer endpoint"],
  ["SQL_ASCII", { encoding: "SQL_ASCII" }, "error encoding", "UTF8"],
  [
    "a role that may not replicate",
    role({}),
    "error role-without-replication",
    'ALTER ROLE "bemi" REPLICATION;',
  ],
  [
    "the same on RDS",
    { ...role({}), onRds: true },
    "error role-without-replication",
    'GRANT rds_replication TO "bemi";',
  ],
  [
    "no free WAL sender",
    { walSenders: { max: 2, used: 2 } },
    "error no-free-wal-sender",
    "max_wal_senders",
  ],
  [
    "no free slot",
    { slot: undefined, replicationSlots: { max: 2, used: 2 } },
    "error no-free-replication-slot",
    "max_replication_slots",
  ],
  [
    "another database's slot",
    slot({ database: "other" }),
    "error slot-of-another-database",
    '"other"',
  ],
  [
    "another plugin",
    slot({ plugin: "wal2json" }),
    "error slot-plugin",
    "wal2json",
  ],
  [
    "a physical slot",
    slot({ type: "physical", plugin: null, database: null }),
    "error slot-physical",
    "logical",
  ],
  ["two_phase", slot({ twoPhase: true }), "error slot-two-phase", "two_phase"],
  [
    "a temporary slot",
    slot({ temporary: true }),
    "error slot-temporary",
    "temporary",
  ],
  ["a lost slot", slot({ walStatus: "lost" }), "error slot-lost", "0/1100"],
  [
    "an invalidated slot",
    slot({ invalidationReason: "idle_timeout" }),
    "error slot-lost",
    "idle_timeout",
  ],
  [
    "a slot that no standby copies (17 and later)",
    slot({ failover: false }),
    "warning slot-without-failover",
    "ALTER_REPLICATION_SLOT",
  ],
  ["no slot", { slot: undefined }, "error slot-missing", "SETUP=auto"],
  [
    "no publication",
    { publication: undefined },
    "error publication-missing",
    "SETUP=auto",
  ],
  [
    "a publication without truncate",
    publication({ truncate: false }),
    "error publication-operations",
    "does not publish truncate",
  ],
  [
    "a row filter",
    publication({ rowFiltered: ["public.todo"] }),
    "error publication-row-filter",
    "public.todo",
  ],
  [
    "a column list",
    publication({ columnListed: ["public.todo"] }),
    "error publication-column-list",
    "public.todo",
  ],
  [
    "via root",
    publication({ viaRoot: true }),
    "error publication-via-root",
    "publish_via_partition_root = false",
  ],
  [
    "a publication of other tables",
    publication({ schemas: [] }),
    "error publication-coverage",
    'ALTER PUBLICATION "bemi" ADD TABLE ONLY "public"."todo";',
  ],
  [
    "a short idle timeout",
    { idleSlotTimeoutSeconds: 3600 },
    "warning idle-slot-timeout",
    "3600 s",
  ],
  [
    "old prepared transactions",
    { oldPrepared: [{ gid: "g", database: "d", ageSeconds: 7300 }] },
    "warning old-prepared-transactions",
    "2 h",
  ],
  [
    "no event trigger",
    { eventTrigger: undefined },
    "warning event-trigger-missing",
    "_bemi_set_replica_identity_trigger",
  ],
  [
    "no DDL trigger",
    { ddlTriggers: goodFacts.ddlTriggers.slice(1) },
    "warning ddl-triggers-missing",
    "subcommand setup",
  ],
  [
    "a DDL trigger of another version",
    {
      ddlTriggers: goodFacts.ddlTriggers.map((trigger) => ({
        ...trigger,
        functionBody: "BEGIN END",
      })),
    },
    "warning ddl-triggers-missing",
    "another version",
  ],
  [
    "a disabled DDL trigger",
    {
      ddlTriggers: goodFacts.ddlTriggers.map((trigger, index) => ({
        ...trigger,
        enabled: index !== 1,
      })),
    },
    "warning ddl-triggers-disabled",
    "ALTER EVENT TRIGGER _bemi_ddl_drop_trigger ENABLE;",
  ],
])("%s is a finding", (_name, changed, code, words) => {
  const found = findings(changed);
  expect(found.map((one) => `${one.severity} ${one.code}`)).toContain(code);
  const text = found.map((one) => `${one.message} ${one.remedy}`).join(" ");
  expect(text).toContain(words);
});

test.each<[string, Partial<SourceFacts>]>([
  ["the minor that brought the last fix", { versionNum: 170006 }],
  ["a superuser without the attribute", role({ superuser: true })],
  ["a member of rds_replication", role({ rdsReplication: true })],
  ["the RDS master user", role({ rdsSuperuser: true })],
  [
    "full WAL senders, one of them of this slot",
    { ...slot({ active: true }), walSenders: { max: 1, used: 1 } },
  ],
  [
    "a full set of slots with this one in it",
    { replicationSlots: { max: 1, used: 1 } },
  ],
  ["an idle timeout of a day", { idleSlotTimeoutSeconds: 86400 }],
])("%s is no finding", (_name, changed) => {
  expect(findings(changed)).toEqual([]);
});

describe("tables", () => {
  test("whose writes fail are errors, also untracked ones", () => {
    const table = aTable("todo", { identity: "default", hasPrimaryKey: false });
    expect(codes({}, [table])).toEqual([
      "error table-writes-fail",
      "warning identity-not-full",
    ]);
    const other = { ...expectations, trackTables: parseTablePatterns("a.b") };
    expect(codes({}, [table], other)).toEqual(["error table-writes-fail"]);
  });

  test("without a full identity, and unlogged ones, are warnings", () => {
    expect(codes({}, [aTable("todo", { identity: "default" })])).toEqual([
      "warning identity-not-full",
    ]);
    expect(codes({}, [aTable("todo", { unlogged: true })])).toEqual([
      "warning table-unlogged",
    ]);
  });

  test("whose owner's DDL leaves no mark are a warning that names the owner", () => {
    const found = findings({}, [aTable("todo", { ownerMayMark: false })]);
    expect(found).toMatchObject([
      {
        code: "ddl-mark-privilege",
        severity: "warning",
        remedy: expect.stringContaining('TO "app";'),
      },
    ]);
  });

  test("that an upgrade to 18 would break are warned of before", () => {
    const table = aTable("todo", { hasStoredGenerated: true });
    const old = publication({ storedGenerated: false });
    expect(codes({ versionNum: 170006, ...old }, [table])).toEqual([
      "warning generated-columns-before-18",
    ]);
    expect(codes({ ...old }, [table])).toEqual(["error table-writes-fail"]);
  });
});

test("what the set-up makes or cures is no finding before it", () => {
  const bare = {
    slot: undefined,
    publication: undefined,
    eventTrigger: undefined,
    ddlTriggers: [],
  };
  const table = aTable("todo", { identity: "nothing" });
  expect(findings(bare, [table], willSetUp)).toEqual([]);
  expect(findings({}, [table], willSetUp)).toEqual([]);
  expect(codes(publication({ schemas: [] }), [table], willSetUp)).toEqual([
    "error publication-coverage",
  ]);
});

test("errors end the worker by what has to be done about them", () => {
  expect(() => refuse(findings({ eventTrigger: undefined }))).not.toThrow();
  expect(() => refuse(findings({ versionNum: 130000 }))).toThrow(
    ConfigurationError,
  );
  expect(() => refuse(findings({ walLevel: "replica" }))).toThrow(
    OperatorError,
  );
});
