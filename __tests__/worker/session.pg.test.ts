import { Cluster } from "../../scripts/cluster";
import {
  VALUE_SESSION_OPTIONS,
  verifySession,
} from "../../worker/source/session";
import { testedMajors } from "../support/majors";
import { createSource } from "../support/source";

const HOSTILE = [
  "DateStyle = 'SQL, DMY'",
  "IntervalStyle = 'iso_8601'",
  "extra_float_digits = 0",
  "bytea_output = 'escape'",
  "TimeZone = 'America/New_York'",
  "client_encoding = 'LATIN1'",
  "quote_all_identifiers = on",
  "client_min_messages = 'error'",
  "statement_timeout = '7s'",
  "idle_in_transaction_session_timeout = '7s'",
  "lock_timeout = '7s'",
];

const VALUES =
  "SELECT timestamptz '2024-07-04 12:00:00+00' AS at, 0.1::float8 + 0.2::float8 AS sum, '\\x0102ff'::bytea AS bytes, interval '1 day 02:03:04' AS span";

describe.each(testedMajors(14, 18))("session on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test.each(["ALTER DATABASE", "ALTER ROLE", "ALTER ROLE … IN DATABASE"])(
    "its options win over %s SET, also on a replication connection",
    async (scope) => {
      await using source = await createSource(cluster);
      const { database } = source;
      const role = `reader_${major}`;
      await source.client.query(
        `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'`,
      );
      const target =
        scope === "ALTER DATABASE"
          ? `DATABASE ${database}`
          : scope === "ALTER ROLE"
            ? `ROLE ${role}`
            : `ROLE ${role} IN DATABASE ${database}`;
      for (const setting of HOSTILE) {
        await source.client.query(`ALTER ${target} SET ${setting}`);
      }
      const login = { user: role, password: "secret" };
      const options = { ...login, options: VALUE_SESSION_OPTIONS };
      const pinned = await source.session(options);
      await verifySession(pinned);
      const { rows } = await pinned.query({
        text: VALUES,
        types: { getTypeParser: () => (text: string) => text },
      });
      expect(rows).toEqual([
        {
          at: "2024-07-04 12:00:00+00",
          sum: "0.30000000000000004",
          bytes: "\\x0102ff",
          span: "1 day 02:03:04",
        },
      ]);
      const replication = { ...options, replication: "database" };
      await verifySession(await source.session(replication));
      await expect(verifySession(await source.session(login))).rejects.toThrow(
        /DateStyle is SQL, DMY.*lock_timeout is 7s/,
      );
      await source.client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    },
  );
});
