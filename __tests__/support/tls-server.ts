/**
 * A PostgreSQL that speaks TLS: with any certificate, replaced while it runs,
 * and with roles that have to come with TLS or with a certificate of their own.
 */

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chown, rename, stat, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { Cluster, type ClusterOptions } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import type { Certificate } from "./certificate-authority";

/** By role; everybody else comes in with a password, encrypted or not. */
const RULES = `
hostssl all tls_only 127.0.0.1/32 scram-sha-256
host    all tls_only 127.0.0.1/32 reject
hostssl all certified 127.0.0.1/32 cert
hostssl all with_both 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
host    all all 127.0.0.1/32 scram-sha-256
`;

const SSL_REQUEST = Buffer.from("0000000804d2162f", "hex");

export class TlsServer implements AsyncDisposable {
  private constructor(readonly cluster: Cluster) {}

  /** Roles `tls_only`, `certified` and `with_both`, superusers. */
  static async start(options: ClusterOptions = {}): Promise<TlsServer> {
    const server = new TlsServer(await Cluster.start(options));
    await server.#write("pg_hba.conf", RULES);
    for (const role of ["tls_only", "certified", "with_both"]) {
      await server.sql(
        `CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${server.cluster.password}'`,
      );
    }
    await server.sql("SELECT pg_reload_conf()");
    return server;
  }

  /** `clients`: authorities of the clients' certificates, as PEM. */
  async serve({ certificate, key }: Certificate, clients = ""): Promise<void> {
    await this.#write("server.crt", certificate);
    await this.#write("server.key", key);
    await this.#write("clients.crt", clients);
    await this.sql("ALTER SYSTEM SET ssl = on");
    await this.sql(
      `ALTER SYSTEM SET ssl_ca_file = '${clients ? "clients.crt" : ""}'`,
    );
    await this.sql("SELECT pg_reload_conf()");
    const { fingerprint256 } = new X509Certificate(certificate);
    await eventually("the server shows its new certificate", async () => {
      return (await this.#shown()) === fingerprint256;
    });
  }

  async speakPlainTextOnly(): Promise<void> {
    await this.sql("ALTER SYSTEM SET ssl = off");
    await this.sql("SELECT pg_reload_conf()");
    await eventually("the server offers no TLS", async () => {
      return (await this.#shown()) === undefined;
    });
  }

  async sql(text: string, database?: string): Promise<void> {
    const client = await this.cluster.client(database);
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  /** Whole at once: the server may read it at any moment. */
  async #write(name: string, text: string): Promise<void> {
    const { dataFolder } = this.cluster;
    const path = join(dataFolder, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    const { uid, gid } = await stat(dataFolder);
    await chown(`${path}.new`, uid, gid);
    await rename(`${path}.new`, path);
  }

  /** Fingerprint of what a new connection is shown. */
  async #shown(): Promise<string | undefined> {
    const socket = connectSocket(this.cluster.port, this.cluster.host);
    try {
      socket.write(SSL_REQUEST);
      const [answer] = await once(socket, "data");
      if (String(answer) !== "S") return undefined;
      const secure = connectTls({ socket, rejectUnauthorized: false });
      secure.on("error", () => undefined);
      await once(secure, "secureConnect");
      return secure.getPeerX509Certificate()?.fingerprint256;
    } finally {
      socket.destroy();
    }
  }
}
