import { TerraformStack, Testing } from "cdktf";
import {
  ReplicationParameterGroup,
  type ReplicationParameterGroupProps,
} from "../../constructs/replication-parameter-group";
import { type Block, onlyResource, templateOf } from "../support/templates";

const usual: ReplicationParameterGroupProps = {
  namePrefix: "bemi-prod-source-",
  kind: "instance",
  majorVersion: 17,
  maxSlotWalKeepSizeMib: 25_600,
};

interface Parameter {
  readonly name: string;
  readonly value: string;
  readonly apply_method: string;
}

function groupOf(changes: Partial<ReplicationParameterGroupProps> = {}): Block {
  const props = { ...usual, ...changes };
  const template = templateOf((stack) => {
    new ReplicationParameterGroup(stack, "group", props);
  });
  expect(Object.keys(template.resource ?? {})).toHaveLength(1);
  return onlyResource(
    template,
    props.kind === "aurora"
      ? "aws_rds_cluster_parameter_group"
      : "aws_db_parameter_group",
  );
}

function parametersOf(
  changes: Partial<ReplicationParameterGroupProps> = {},
): Record<string, string> {
  const { parameter } = groupOf(changes);
  return Object.fromEntries(
    (parameter as Parameter[]).map(({ name, value }) => [name, value]),
  );
}

function methodsOf(parameters: Record<string, string>): Record<string, string> {
  const { parameter } = groupOf({ parameters });
  return Object.fromEntries(
    (parameter as Parameter[]).map(({ name, apply_method }) => [
      name,
      apply_method,
    ]),
  );
}

const versions = [14, 15, 16, 17, 18];

test.each(versions)("an instance of version %i has its family", (version) => {
  expect(groupOf({ majorVersion: version }).family).toBe(`postgres${version}`);
});

test.each(versions)("an Aurora cluster of version %i has its", (version) => {
  expect(groupOf({ kind: "aurora", majorVersion: version }).family).toBe(
    `aurora-postgresql${version}`,
  );
});

test("the log is logical, and bounded", () => {
  expect(parametersOf()).toEqual({
    "rds.logical_replication": "1",
    max_slot_wal_keep_size: "25600",
    "rds.force_ssl": "1",
    wal_sender_timeout: "60000",
  });
});

test.each<[string, Partial<ReplicationParameterGroupProps>, unknown[]]>([
  ["RDS 15, which has 20 and 20", { majorVersion: 15 }, [undefined, undefined]],
  ["RDS 17, which has 20 and 35", {}, [undefined, undefined]],
  ["Aurora, which has 20 and 10", { kind: "aurora" }, [undefined, "20"]],
  [
    "RDS 15 with 30",
    { majorVersion: 15, maxReplicationSlots: 30 },
    ["30", "30"],
  ],
  ["RDS 17 with 30", { maxReplicationSlots: 30 }, ["30", undefined]],
  ["RDS 17 with 40", { maxReplicationSlots: 40 }, ["40", "40"]],
])(
  "%s: slots and senders are raised, never lowered",
  (_, changes, expected) => {
    const { max_replication_slots, max_wal_senders } = parametersOf(changes);
    expect([max_replication_slots, max_wal_senders]).toEqual(expected);
  },
);

test("each parameter is applied when RDS can apply it", () => {
  expect(
    methodsOf({
      work_mem: "65536",
      shared_preload_libraries: "pg_stat_statements",
      // Dynamic in PostgreSQL, static at RDS.
      temp_file_limit: "1048576",
      "pg_stat_statements.max": "10000",
    }),
  ).toEqual({
    "rds.logical_replication": "pending-reboot",
    max_slot_wal_keep_size: "immediate",
    wal_sender_timeout: "immediate",
    "rds.force_ssl": "immediate",
    work_mem: "immediate",
    shared_preload_libraries: "pending-reboot",
    temp_file_limit: "pending-reboot",
    "pg_stat_statements.max": "pending-reboot",
  });
});

test("what the present group has changed is kept", () => {
  expect(
    parametersOf({
      parameters: {
        work_mem: "65536",
        "rds.force_ssl": "0",
        wal_sender_timeout: "30000",
      },
    }),
  ).toEqual({
    "rds.logical_replication": "1",
    max_slot_wal_keep_size: "25600",
    work_mem: "65536",
    "rds.force_ssl": "0",
    wal_sender_timeout: "30000",
  });
});

test.each([
  ["rds.logical_replication", "0", "1"],
  ["max_slot_wal_keep_size", "-1", "25600"],
  ["max_replication_slots", "10", "20"],
  ["max_wal_senders", "10", "20"],
])("%s that contradicts the worker's is refused", (name, value, own) => {
  expect(() => groupOf({ parameters: { [name]: value } })).toThrow(
    `${name} is ${own} for the worker, and parameters say ${value}: remove it there`,
  );
});

test("the same value twice is no contradiction", () => {
  const parameters = { "rds.logical_replication": "1" };
  expect(parametersOf({ parameters })).toEqual(parametersOf());
});

// RDS refuses to change a group's family, and to delete a group in use.
test.each(["instance", "aurora"] as const)(
  "a group of an %s is made before the one that it replaces goes",
  (kind) => {
    const group = groupOf({ kind });
    expect(group).toMatchObject({
      name_prefix: "bemi-prod-source-",
      lifecycle: { create_before_destroy: true },
    });
    expect(group).not.toHaveProperty("name");
  },
);

describe("a warning", () => {
  function warnings(changes: Partial<ReplicationParameterGroupProps>) {
    const stack = new TerraformStack(Testing.app(), "stack");
    const group = new ReplicationParameterGroup(stack, "group", {
      ...usual,
      ...changes,
    });
    return group.node.metadata
      .filter(({ type }) => type === "@cdktf/warn")
      .map(({ data }) => String(data));
  }

  test("names parameters whose changes wait for a reboot", () => {
    expect(
      warnings({ parameters: { work_mem: "4096", "auto_explain.x": "1" } }),
    ).toEqual([expect.stringMatching(/^auto_explain\.x: changes take effect/)]);
  });

  test("names a family that has not been tried", () => {
    expect(warnings({ majorVersion: 19 })).toEqual([
      expect.stringContaining("postgres19"),
    ]);
  });

  test("is not given without a reason", () => {
    const parameters = { work_mem: "4096", temp_file_limit: "1048576" };
    expect(warnings({ parameters })).toEqual([]);
  });
});
