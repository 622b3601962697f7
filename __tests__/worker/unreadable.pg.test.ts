/**
 * A stream that holds what the worker does not understand: it stops with
 * its position untouched, and never skips.
 */
import { Cluster } from "../../scripts/cluster";
import { ReplicationProxy } from "../support/replication-proxy";
import { Trail } from "../support/trail";

const SECRET = "a-value-that-no-log-may-show";
const INSERT = "I".charCodeAt(0);
/** In an Insert: tag, relation, "N", number of columns, then the first value. */
const FIRST_KIND = 1 + 4 + 1 + 2;

describe("a message that cannot be read", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const edited = (at: number, value: string) => (message: Buffer) => {
    const copy = Buffer.from(message);
    copy.write(value, at, "latin1");
    return copy;
  };
  const faults: [string, (message: Buffer) => Buffer][] = [
    ["of an unknown kind", edited(0, "Z")],
    ["whose row ends too early", (message) => message.subarray(0, -1)],
    // By one byte, which is there: the next message's.
    [
      "whose last value is longer than the rest",
      (message) =>
        edited(
          message.length - SECRET.length - 1,
          String.fromCharCode(SECRET.length + 1),
        )(message),
    ],
    ["whose value is of an unknown kind", edited(FIRST_KIND, "x")],
    ["that is empty", () => Buffer.alloc(0)],
  ];
  test.each(faults)(
    "%s ends the worker after three attempts, the watermark unmoved and nothing skipped",
    async (_, fault) => {
      await using trail = await Trail.create({
        source: cluster,
        destination: cluster,
        tables: "CREATE TABLE item (id int PRIMARY KEY, text text);",
      });
      await using proxy = await ReplicationProxy.start(cluster);
      const worker = await trail.streaming({ DB_PORT: String(proxy.port) });
      await trail.source.query("INSERT INTO item VALUES (1, 'good')");
      await trail.reached(1);
      const before = await trail.watermark();
      let broken = 0;
      proxy.hooks = {
        change(message) {
          if (message[0] !== INSERT || !message.includes(SECRET)) {
            return message;
          }
          broken += 1;
          return fault(message);
        },
      };
      await trail.source.query("INSERT INTO item VALUES (2, $1)", [SECRET]);
      await trail.source.query("INSERT INTO item VALUES (3, 'good')");
      expect(await worker.exited).toEqual({ code: 1, signal: null });
      expect(broken).toBe(3);
      expect(worker.lines.at(-1)?.msg).toMatch(/pgoutput message/);
      expect(worker.stdout + worker.stderr).not.toContain(SECRET);
      await trail.reached(1);
      expect((await trail.watermark()).commitLsn).toBe(before.commitLsn);
      const { confirmed } = await trail.slotState();
      expect(confirmed).toBeLessThanOrEqual(before.position);
      await trail.streaming();
      await trail.reached(3);
    },
  );
});
