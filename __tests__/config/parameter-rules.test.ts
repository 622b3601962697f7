import { readEnvironment } from "../../config/read-environment";
import { slotLimitMib } from "../../config/slot-limit";
import {
  changedEnvironment,
  type EnvironmentFile,
  environmentFile,
  environmentOf,
} from "../support/environments";

type Parameters = NonNullable<
  NonNullable<EnvironmentFile["source"]["rds"]>["parameters"]
>;

/** What is said of an environment whose database has these parameters. */
function refusal(
  parameters: Parameters,
  change: (file: EnvironmentFile) => void = () => {},
): string | undefined {
  const file = environmentFile("direct");
  if (file.source.rds) file.source.rds.parameters = parameters;
  change(file);
  try {
    readEnvironment("prod.json", JSON.stringify(file));
    return undefined;
  } catch (error) {
    return String(error);
  }
}

test("parameters of the present group are taken as they are", () => {
  expect(
    refusal({
      work_mem: "65536",
      "auto_explain.log_min_duration": "500",
      "rds.force_ssl": "0",
      "rds.logical_replication": "1",
      log_line_prefix: "%t:%r:%u@%d:[%p]:",
      shared_buffers: "{DBInstanceClassMemory/32768}",
    }),
  ).toBeUndefined();
});

test.each([
  [
    { max_slot_wal_keep_size: "-1" },
    "source.rds.parameters.max_slot_wal_keep_size: got -1, but source.maxSlotWalKeepSizeMib makes it 25600: change that field, and remove this",
  ],
  [
    { max_replication_slots: "50" },
    "source.rds.parameters.max_replication_slots: got 50, but source.maxReplicationSlots makes it 20: change that field, and remove this",
  ],
  [
    { max_wal_senders: "50" },
    "source.rds.parameters.max_wal_senders: got 50, but source.maxReplicationSlots makes it 20: change that field, and remove this",
  ],
  [
    { "rds.logical_replication": "0" },
    "source.rds.parameters.rds.logical_replication: got 0: the worker reads the log by logical replication, so remove it",
  ],
  [{ "work mem": "1" }, "source.rds.parameters.work mem: "],
])("%j is refused in one sentence", (parameters, expected) => {
  expect(refusal(parameters as Parameters)).toContain(expected);
});

test("a value that another field gives as well is no conflict", () => {
  expect(
    refusal({ max_replication_slots: "50" }, ({ source }) => {
      source.maxReplicationSlots = 50;
    }),
  ).toBeUndefined();
});

test.each([
  "sync_replication_slots",
  "synchronized_standby_slots",
  "rds.logical_slot_sync_dbname",
])("%s is of PostgreSQL 17 and later", (name) => {
  expect(refusal({ [name]: "1" })).toBeUndefined();
  expect(
    refusal({ [name]: "1" }, ({ source }) => {
      if (source.rds) source.rds.majorVersion = 16;
    }),
  ).toContain("begins with PostgreSQL 17, and source.rds.majorVersion is 16");
});

test.each([
  [100, 25_600],
  [20, 5120],
  [200, 51_200],
  [1000, 51_200],
])("of %i GiB of storage slots may hold %i MiB", (storage, expected) => {
  const environment = changedEnvironment("direct", ({ source }) => {
    if (source.rds?.kind === "instance")
      source.rds.allocatedStorageGib = storage;
  });
  expect(slotLimitMib(environment)).toBe(expected);
});

test("Aurora's slots may hold 50 GiB, and what the file says goes first", () => {
  expect(slotLimitMib(environmentOf("aurora-source"))).toBe(51_200);
  expect(slotLimitMib(environmentOf("vpn-options"))).toBe(20_480);
});
