/**
 * The bundled worker through OpenSSH's own server, as administrators harden it,
 * to a PostgreSQL whose name is verified; and what it says of a host that is
 * closed to it.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chown, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { sshKey } from "../../scripts/keys/ssh-key";
import { type Sshd, startSshd } from "../../scripts/lab/sshd";
import { parseHostKey } from "../../worker/network/host-key";
import { type CommandResult, runCommand } from "../support/command";
import {
  localhostCertificate,
  localhostKey,
} from "../support/localhost-certificate";
import { testWithSshd } from "../support/sshd";
import { Trail } from "../support/trail";
import { workerEnvironment } from "../support/worker-process";

/** Asked for as it is written: the host resolves it, and PostgreSQL is it. */
const NAME = "localhost";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
  const { uid, gid } = await stat(cluster.dataFolder);
  for (const [name, text] of [
    ["server.key", localhostKey],
    ["server.crt", localhostCertificate],
  ] as const) {
    const file = join(cluster.dataFolder, name);
    await writeFile(file, text, { mode: 0o600 });
    await chown(file, uid, gid);
  }
  const client = await cluster.client();
  await client.query("ALTER SYSTEM SET ssl = on");
  await client.query("SELECT pg_reload_conf()");
  await client.end();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** What a worker needs through this host, over what it needs without. */
function through(host: Sshd): Record<string, string> {
  return {
    ...host.environment,
    DB_HOST: NAME,
    DB_SSLMODE: "verify-full",
    DB_SSLROOTCERT: localhostCertificate,
  };
}

testWithSshd(
  "a hardened host: one SSH connection for everything, the name resolved by the host and verified, nothing secret shown",
  async () => {
    await using host = await startSshd({
      config: {
        AllowStreamLocalForwarding: "no",
        MaxStartups: 1,
        LoginGraceTime: 10,
        RekeyLimit: "1M",
        // For the count of key exchanges.
        LogLevel: "DEBUG1",
        // What docs/deploy.md has, and more.
        Match: "User *",
        AllowTcpForwarding: "local",
        PermitOpen: `${NAME}:${cluster.port}`,
        AllowAgentForwarding: "no",
        X11Forwarding: "no",
        PermitTunnel: "no",
        PermitTTY: "no",
        ForceCommand: "/bin/false",
        MaxSessions: 0,
        MaxAuthTries: 1,
        ClientAliveInterval: 1,
        ClientAliveCountMax: 2,
      },
      keyOptions: `restrict,port-forwarding,permitopen="${NAME}:${cluster.port}"`,
    });
    await using trail = await Trail.create({
      source: cluster,
      destination: cluster,
      tables: "CREATE TABLE item (id int PRIMARY KEY, text text)",
      env: { ...through(host), LOG_LEVEL: "trace" },
    });
    const worker = await trail.streaming();
    // The look at the start, and the trail: one after the other.
    expect(host.logins).toBe(2);
    const rows = 40_000;
    await trail.source.query(
      `INSERT INTO item SELECT i, repeat('x', 100) FROM generate_series(1, ${rows}) i`,
    );
    await trail.reached(rows);
    expect(host.connections).toBe(1);
    expect(host.logins).toBe(2);
    expect(host.logged.match(/NEWKEYS received/g)?.length).toBeGreaterThan(4);

    const sessions = await trail.source.query<{
      stream: boolean;
      ssl: boolean;
    }>(
      `SELECT backend_type = 'walsender' AS stream, ssl
       FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
      WHERE application_name = 'bemi-worker ${trail.slot}' AND datname = '${trail.database}' AND ssl`,
    );
    expect(sessions.filter(({ stream }) => stream)).toHaveLength(1);
    expect(sessions.length).toBeGreaterThan(1);

    const body = host.clientKey.privateKey.match(/[\w+/=]{20,}/g) ?? [];
    expect(body.length).toBeGreaterThan(2);
    const shown = `${worker.stdout}${worker.stderr}${readFileSync(`/proc/${worker.pid}/cmdline`)}`;
    for (const secret of [...body, cluster.password])
      expect(shown).not.toContain(secret);
  },
);

describe("a host that is closed to the worker: exit code 3, and one sentence", () => {
  testWithSshd.each<[string, Parameters<typeof startSshd>[0]]>([
    ["PermitOpen elsewhere", { config: { PermitOpen: "db.internal:5432" } }],
    ["AllowTcpForwarding no", { config: { AllowTcpForwarding: "no" } }],
    ["a key without port-forwarding", { keyOptions: "restrict" }],
  ])("%s", async (_name, options) => {
    await using host = await startSshd(options);
    const { code, last } = await run(host);
    expect(code).toBe(3);
    expect(last?.msg).toBe(
      `the SSH host 127.0.0.1:${host.port} does not allow connections to ${NAME}:${cluster.port}`,
    );
    expect(last?.remedy).toContain("PermitOpen");
  });

  testWithSshd(
    "another host key than SSH_HOST_KEY, with both fingerprints",
    async () => {
      await using host = await startSshd();
      const pinned = sshKey.generate("another").publicKey;
      const { code, last } = await run(host, { SSH_HOST_KEY: pinned });
      expect(code).toBe(3);
      for (const key of [host.hostKey, pinned])
        expect(last?.msg).toContain(parseHostKey(key)?.fingerprint);
      expect(host.logins).toBe(0);
    },
  );

  testWithSshd("a key that it does not know", async () => {
    await using host = await startSshd();
    const { code, last } = await run(host, {
      SSH_PRIVATE_KEY: sshKey.generate("another").privateKey,
    });
    expect(code).toBe(3);
    expect(last?.msg).toContain(`refuses the key of user ${host.user}`);
    expect(last?.remedy).toContain("authorized_keys");
  });

  testWithSshd("no algorithm in common", async () => {
    await using host = await startSshd({
      config: { KexAlgorithms: "sntrup761x25519-sha512@openssh.com" },
    });
    const { code, last } = await run(host);
    expect(code).toBe(3);
    expect(last?.msg).toContain("no key exchange algorithm in common");
  });
});

testWithSshd(
  "a certificate for another name is refused through the tunnel",
  async () => {
    await using host = await startSshd();
    const { code, last } = await run(host, { DB_SSL_SERVERNAME: "other.test" });
    expect(code).toBe(2);
    expect(last?.msg).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  },
);

testWithSshd.each([
  ["no-such-name.invalid", "Name or service not known"],
  [NAME, "Connection refused"],
])("what the host says of %s is what check says", async (name, words) => {
  await using host = await startSshd();
  const { stdout } = await run(host, { DB_HOST: name, DB_PORT: "1" }, "check");
  expect(stdout).toContain("-unreachable: the SSH host");
  expect(stdout).toContain(`cannot connect to ${name}:1: ${words}`);
});

testWithSshd(
  "a host that takes no more connections is tried again",
  async () => {
    await using host = await startSshd({ config: { MaxStartups: 1 } });
    await using trail = await Trail.create({
      source: cluster,
      destination: cluster,
      env: through(host),
    });
    const other = connect(host.port, host.host);
    await once(other, "data");
    const worker = trail.start();
    const { msg } = await worker.log(
      ({ retryInMs }) => retryInMs !== undefined,
    );
    expect(msg).toContain("it hung up at once");
    other.destroy();
    await worker.log("streaming");
    await eventually("it is one", async () => host.connections === 1);
  },
);

async function run(
  host: Sshd,
  env: Readonly<Record<string, string>> = {},
  ...args: string[]
): Promise<CommandResult> {
  const own = workerEnvironment(cluster, "postgres");
  return runCommand({ ...own, ...through(host), ...env }, ...args);
}
