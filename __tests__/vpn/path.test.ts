/** What goes through the tunnel, and what can be seen of it. */
import { join } from "node:path";
import { runProgram } from "../../scripts/child-process";
import { eventually } from "../../scripts/eventually";
import { Capture, UDP } from "../../scripts/lab/capture";
import {
  SERVER_PUBLIC_ADDRESSES,
  SOURCE_PUBLIC_ADDRESS,
  WORKER_ADDRESS,
} from "../../scripts/lab/topology";
import type { VpnLab } from "../../scripts/lab/vpn-lab";
import { sends } from "../support/reach";
import { VpnTrail } from "../support/vpn-trail";

/** Of docs/operations.md ("VPN"): the slot may be busy for a minute of it. */
const RECOVERY_MS = 120_000;
const BUNDLE = join(__dirname, "..", "..", "dist", "worker.js");
/** Of WireGuard's packets on a path of 1500 bytes at most. */
const MAX_SEGMENT_BYTES = 1380;
/** Of a card of 9001 bytes, as instances and tasks have them. */
const VPC_SEGMENT_BYTES = 8961;

describe.each(["nat", "proxy"] as const)("forwarding %s", (forwarding) => {
  let trail: VpnTrail;
  let lab: VpnLab;
  const captures: Record<string, Capture> = {};

  beforeAll(async () => {
    trail = await VpnTrail.start({ forwarding });
    lab = trail.lab;
    await trail.source.query(
      "CREATE TABLE letter (id int PRIMARY KEY, text text)",
    );
    // Both ends and all connections begin anew, before the captures' eyes.
    await lab.destroy("node");
    await lab.destroy("server");
    for (const [host, card] of [
      ["internet", "source"],
      ["database", "eth0"],
      ["worker", "eth0"],
    ] as const) {
      const enter = lab.network.enter(host);
      const path = join(lab.folder, `${host}.pcap`);
      captures[host] = trail.releases.use(
        await Capture.start(enter, card, path),
      );
    }
    await lab.launch("server");
    await eventually("the server listens", () =>
      lab.server.run("wg", "show", "wg0", "listen-port"),
    );
    await lab.launch("node");
    await trail.worker.kill();
  });

  afterAll(async () => {
    await trail?.[Symbol.asyncDispose]();
  });

  const capture = (host: string): Capture => {
    const found = captures[host];
    if (!found) throw new Error(`no capture at ${host}`);
    return found;
  };
  /** As the worker's stack says it. */
  const target = () => lab.deployment.workerVariables.DB_HOST ?? "";
  const address = () =>
    forwarding === "nat" ? lab.topology.databaseAddresses[0] : target();

  test("a change arrives with its values, by TLS that verifies the name", async () => {
    expect(lab.deployment.workerVariables).not.toHaveProperty("DB_SSLMODE");
    await trail.arrives(
      "INSERT INTO letter VALUES (1, 'the secret of row one')",
      'after @> \'{"id": 1, "text": "the secret of row one"}\'',
      RECOVERY_MS,
    );
    const { rows } = await trail.source.query(
      `SELECT DISTINCT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE client_addr IS NOT NULL`,
    );
    expect(rows).toEqual([{ ssl: true }]);
  });

  test("a database that is not the one of this name is refused", async () => {
    const [program = "", ...enter] = lab.enterWorker();
    const { code, stdout, stderr } = await runProgram(
      program,
      [...enter, process.execPath, BUNDLE, "check"],
      {
        env: {
          PATH: process.env.PATH,
          ...lab.workerEnvironment(),
          DB_SSL_SERVERNAME: "other.example.test",
        },
      },
    );
    expect(code).not.toBe(0);
    expect(`${stdout}${stderr}`).toMatch(
      /certificate that is not for .*other\.example\.test.* but for .*db\.example\.test/,
    );
  });

  test("the database sees the node's address alone", async () => {
    const { rows } = await trail.source.query(
      `SELECT DISTINCT host(client_addr) AS address FROM pg_stat_activity
        WHERE client_addr IS NOT NULL`,
    );
    expect(rows).toEqual([{ address: lab.topology.nodeAddress }]);
  });

  test("rows of 64 kB pass, and every connection keeps its segments small", async () => {
    // Such that nothing makes it smaller on the way.
    await trail.arrives(
      `INSERT INTO letter SELECT 2, string_agg(md5(random()::text), '')
         FROM generate_series(1, 2048)`,
      "after @> '{\"id\": 2}' AND length(after ->> 'text') = 65536",
    );
    const segments = (host: string, from: string) => [
      ...new Set(
        capture(host)
          .packets()
          .filter((packet) => packet.from === from)
          .flatMap(({ maxSegmentBytes }) => maxSegmentBytes ?? []),
      ),
    ];
    const { nodeAddress } = lab.topology;
    await eventually(
      "the connections' first packets",
      async () => segments("worker", address()).length > 0,
    );
    // The card of a task would take more.
    expect(segments("worker", WORKER_ADDRESS)).toEqual([VPC_SEGMENT_BYTES]);
    expect(segments("worker", address())).toEqual([MAX_SEGMENT_BYTES]);
    // A proxy's connection to the database is one of its own.
    expect(segments("database", nodeAddress)).toEqual([
      forwarding === "nat" ? MAX_SEGMENT_BYTES : VPC_SEGMENT_BYTES,
    ]);
  });

  test("what enters the tunnel in clear leaves it in clear, and is secret between", async () => {
    const marker = `in clear by ${forwarding}`;
    expect(await sends(lab.enterWorker(), target(), 5432, marker)).toBe(true);
    await eventually("the text at the database", async () =>
      capture("database").has(marker),
    );
    expect(capture("internet").has(marker)).toBe(false);
    expect(capture("internet").has("the secret of row one")).toBe(false);
  });

  test("on the internet there was nothing but WireGuard's UDP", async () => {
    const packets = capture("internet").packets();
    const kinds = packets.map(({ protocol, ...packet }) =>
      packet.to === SERVER_PUBLIC_ADDRESSES[0]
        ? [protocol, packet.from, packet.to, packet.toPort]
        : [protocol, packet.to, packet.from, packet.fromPort],
    );
    // 64 kB alone are more.
    expect(kinds.length).toBeGreaterThan(50);
    expect(packets.filter(({ isFragment }) => isFragment)).toEqual([]);
    expect([...new Set(kinds.map(String))]).toEqual([
      String([UDP, SOURCE_PUBLIC_ADDRESS, SERVER_PUBLIC_ADDRESSES[0], 51_820]),
    ]);
  });
});
