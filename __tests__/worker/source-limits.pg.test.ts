/**
 * What the source refuses for a while: places that others hold, and
 * errors in the middle of decoding.
 */
import { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { Forwarder } from "../support/forwarder";
import { healthOf } from "../support/health";
import { ReplicationProxy } from "../support/replication-proxy";
import { Trail } from "../support/trail";

const ITEMS = "CREATE TABLE item (id int PRIMARY KEY);";
const INSERT = "I".charCodeAt(0);

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [source, destination] = await Promise.all([
    Cluster.start({ settings: { fsync: "off", max_wal_senders: 1 } }),
    Cluster.start({ settings: { fsync: "off" } }),
  ]);
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await destination?.[Symbol.asyncDispose]();
});

const create = () => Trail.create({ source, destination, tables: ITEMS });

test("a running worker whose WAL sender was taken names max_wal_senders, waits, and goes on when one is free", async () => {
  await using trail = await create();
  await using forwarder = await Forwarder.start(source);
  const worker = await trail.streaming({ DB_PORT: String(forwarder.port) });
  forwarder.moveTo(undefined);
  const other = await eventually("another consumer has it", () =>
    source.client("postgres", { replication: "database" } as object),
  );
  const { length } = worker.lines;
  forwarder.moveTo(source);
  const named = () =>
    worker.lines.slice(length).filter(({ msg }) => /max_wal_senders/.test(msg));
  await eventually("it says so twice", async () => named().length >= 2);
  expect((await healthOf(worker)).problem).toContain("max_wal_senders");
  await other.end();
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
});

test("one WAL sender and one connection are enough, from start to end; with none free for the role, its limit is named", async () => {
  await using trail = await create();
  const setup = trail.start({}, { args: ["setup"] });
  expect(await setup.exited).toMatchObject({ code: 0 });
  const { limit } = await trail.source.one<{ limit: number }>(
    // Up to 17 a WAL sender counts for the role as well, from 18 on it does not.
    "SELECT CASE WHEN current_setting('server_version_num')::int < 180000 THEN 2 ELSE 1 END AS limit",
  );
  await trail.source.query(
    `CREATE ROLE ${trail.database} LOGIN REPLICATION CONNECTION LIMIT ${limit} PASSWORD 'two'`,
  );
  const login = { DB_USER: trail.database, DB_PASSWORD: "two" };
  const { host, port } = source;
  const { database } = trail;
  const user = trail.database;
  const details = { host, port, database, user, password: "two" };
  const taken = Array.from({ length: limit }, () => new Client(details));
  for (const client of taken) await client.connect();
  const refused = trail.start({ ...login, SETUP: "never" });
  const line = await refused.log("CONNECTION LIMIT is reached");
  expect(JSON.stringify(line)).toContain("ALTER ROLE");
  for (const client of taken) await client.end();
  await refused.log("streaming");
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  // The look-ups have their connection by now, beside the stream.
  await eventually("the slot is read", async () => {
    return (await healthOf(refused)).slot !== undefined;
  });
});

test("an error of the source's decoding is tried again with the slot kept, once or often", async () => {
  await using trail = await create();
  await using proxy = await ReplicationProxy.start(source);
  const worker = await trail.streaming({ DB_PORT: String(proxy.port) });
  let failures = 0;
  const broken = { code: "XX000", text: "could not read from spill file" };
  const failTimes = (times: number) => {
    const until = failures + times;
    proxy.hooks.fail = ([tag]) => {
      if (tag !== INSERT || failures >= until) return undefined;
      failures++;
      return broken;
    };
  };
  failTimes(1);
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  expect(failures).toBe(1);
  failTimes(4);
  await trail.source.query("INSERT INTO item VALUES (2)");
  await trail.reached(2);
  expect(failures).toBe(5);
  const said = worker.lines.filter(({ error }) => error);
  expect(said.length).toBeGreaterThanOrEqual(5);
  expect(said[0]).toMatchObject({ error: { sqlState: "XX000" } });
});
