/**
 * Whom the worker trusts and who trusts it, on a real server: what is refused is
 * refused in both databases, with a sentence that says which.
 */
import {
  type Certificate,
  CertificateAuthority,
  daysFromNow,
} from "../support/certificate-authority";
import { runCommand } from "../support/command";
import { TlsServer } from "../support/tls-server";

const NAME = "db.example.test";
const authority = new CertificateAuthority("Test authority");
const other = new CertificateAuthority("Other authority");
const clients = new CertificateAuthority("Clients");

const good = authority.issue({ commonName: "db", names: [NAME] });
const old = { from: daysFromNow(-9), to: daysFromNow(-1) };
const coming = { from: daysFromNow(1), to: daysFromNow(9) };
const expired = authority.issue({ commonName: NAME, names: [NAME], ...old });
const early = authority.issue({ commonName: NAME, names: [NAME], ...coming });

let server: TlsServer;
beforeAll(async () => {
  server = await TlsServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const shown = (certificate: Certificate): Record<string, string> => ({
  SSLCERT: certificate.certificate,
  SSLKEY: certificate.key,
});

/** Exit code and last line, by what is set beside what would be right. */
describe.each(["DB", "DEST_DB"])("%s: refused is", (prefix) => {
  const both = (name: string) => ({
    [`${name}_HOST`]: "127.0.0.1",
    [`${name}_PORT`]: String(server.cluster.port),
    [`${name}_NAME`]: "postgres",
    [`${name}_USER`]: "postgres",
    [`${name}_PASSWORD`]: server.cluster.password,
  });

  async function expectRefused(
    set: Readonly<Record<string, string>>,
    exitCode: number,
    sentences: readonly string[],
  ): Promise<void> {
    const own = {
      SSLMODE: "verify-full",
      SSLROOTCERT: authority.certificate,
      SSL_SERVERNAME: NAME,
      ...set,
    };
    const { code, last } = await runCommand({
      ...both("DB"),
      ...both("DEST_DB"),
      ...Object.fromEntries(
        Object.entries(own).map(([name, value]) => [
          `${prefix}_${name}`,
          value,
        ]),
      ),
      HTTP_PORT: "0",
      SETUP: "never",
    });
    const said = `${last?.msg} ${last?.remedy ?? ""}`;
    for (const sentence of sentences) {
      expect(said).toContain(sentence.replaceAll("<>", prefix));
    }
    expect(last).toMatchObject({ level: "fatal", exitCode });
    expect(code).toBe(exitCode);
  }

  type Case = [
    what: string,
    set: Readonly<Record<string, string>>,
    exitCode: number,
    sentences: readonly string[],
  ];

  describe("by a server with a good certificate,", () => {
    beforeAll(() => server.serve(good, clients.certificate));

    test.each<Case>([
      [
        "another authority",
        { SSLROOTCERT: other.certificate },
        2,
        ["of an authority that is not trusted", "<>_SSLROOTCERT, the only"],
      ],
      [
        "an authority that nobody knows",
        { SSLROOTCERT: "" },
        2,
        ["of an authority that is not trusted", "set <>_SSLROOTCERT to"],
      ],
      [
        "another authority, with require and an authority given",
        { SSLMODE: "require", SSLROOTCERT: other.certificate },
        2,
        ["of an authority that is not trusted"],
      ],
      [
        "another name",
        { SSL_SERVERNAME: "other.example.test" },
        2,
        [
          `not for "other.example.test" but for DNS:${NAME}`,
          "<>_SSL_SERVERNAME",
        ],
      ],
      [
        "an address for a name",
        { SSL_SERVERNAME: "" },
        2,
        [`not for "127.0.0.1" but for DNS:${NAME}`],
      ],
      [
        "a connection without TLS",
        { SSLMODE: "disable", USER: "tls_only" },
        2,
        ['does not let "tls_only" in', "set <>_SSLMODE=verify-full"],
      ],
      [
        "a client without a certificate",
        { USER: "with_both" },
        2,
        ['does not let "with_both" in', "set <>_SSLCERT and <>_SSLKEY"],
      ],
      [
        "a client with another authority's certificate",
        {
          USER: "with_both",
          ...shown(other.issue({ commonName: "with_both" })),
        },
        2,
        ["client certificate in <>_SSLCERT: it does not trust its authority"],
      ],
      [
        "a client with an expired certificate",
        {
          USER: "with_both",
          ...shown(clients.issue({ commonName: "with_both", ...old })),
        },
        2,
        ["client certificate in <>_SSLCERT: it has expired"],
      ],
      [
        "a client with another role's certificate",
        {
          USER: "certified",
          ...shown(clients.issue({ commonName: "somebody" })),
        },
        2,
        ['does not let "certified" in', "common name"],
      ],
    ])("%s", async (_what, set, exitCode, sentences) => {
      await expectRefused(set, exitCode, sentences);
    });
  });

  test("an expired certificate, with or without a look at the name", async () => {
    await server.serve(expired);
    for (const SSLMODE of ["verify-ca", "verify-full"]) {
      await expectRefused({ SSLMODE }, 3, ["has expired", "pg_reload_conf"]);
    }
  });

  test("a certificate that is not valid yet", async () => {
    await server.serve(early);
    await expectRefused({}, 3, ["is not valid yet", "the clock"]);
  });

  test("a server that speaks plain text alone", async () => {
    await server.speakPlainTextOnly();
    for (const SSLMODE of ["require", "verify-ca", "verify-full"]) {
      await expectRefused({ SSLMODE }, 2, [
        "offers no TLS",
        "<>_SSLMODE=disable",
      ]);
    }
  });
});
