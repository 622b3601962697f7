/** What the worker cannot start on: one sentence, the right code, no trace. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { Client, ClientConfig } from "pg";
import { Cluster, type ClusterOptions } from "../../scripts/cluster";
import { freePort } from "../../scripts/free-port";
import {
  type CommandResult,
  catalogueOf,
  runCommand,
} from "../support/command";
import { poolerPath, startPooler } from "../support/pooler";
import { startStandby } from "../support/standby";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

interface World {
  readonly cluster: Cluster;
  readonly name: string;
  /** As administrator in the source database and in the destination's. */
  readonly source: Client;
  readonly destination: Client;
  readonly env: Record<string, string>;
  /** Disposed of after the test. */
  readonly keep: (resource: AsyncDisposable) => void;
}

interface Case {
  readonly name: string;
  readonly code: 1 | 2 | 3;
  /** All in the sentence or its remedy. */
  readonly says: readonly (string | RegExp)[];
  /** What is wrong; returns variables to set. */
  readonly arrange: (
    world: World,
    // biome-ignore lint/suspicious/noConfusingVoidType: most set nothing
  ) => Promise<Record<string, string> | void>;
  /** Servers with settings of their own. */
  readonly server?: ClusterOptions;
}

const secret = "canary-6b1f";
const role = (world: World) => `app_${world.name}`;
const login = (world: World, prefix = "DB") => ({
  [`${prefix}_USER`]: role(world),
  [`${prefix}_PASSWORD`]: secret,
});

async function createRole(world: World, attributes = ""): Promise<void> {
  await world.source.query(
    `CREATE ROLE ${role(world)} LOGIN ${attributes} PASSWORD '${secret}'`,
  );
}

const replicaConnection = (client: ClientConfig): ClientConfig =>
  ({ ...client, replication: "true" }) as ClientConfig;

const cases: readonly Case[] = [
  {
    name: "a source that nothing listens for",
    code: 1,
    says: ["refuses connections (ECONNREFUSED)", "check DB_HOST and DB_PORT"],
    arrange: async () => ({ DB_PORT: String(await freePort()) }),
  },
  {
    name: "a destination that nothing listens for",
    code: 1,
    says: ["refuses connections", "check DEST_DB_HOST and DEST_DB_PORT"],
    arrange: async () => ({ DEST_DB_PORT: String(await freePort()) }),
  },
  {
    name: "a host that is not known",
    code: 1,
    says: [/nowhere\.invalid:\d+ (is not a name|could not be resolved)/],
    arrange: async () => ({ DB_HOST: "nowhere.invalid" }),
  },
  {
    name: "a wrong password",
    code: 2,
    says: ['rejects the password of "postgres" (28P01)', "DB_PASSWORD"],
    arrange: async () => ({ DB_PASSWORD: secret }),
  },
  {
    name: "a wrong password for the destination",
    code: 2,
    says: ["rejects the password", "correct DEST_DB_USER and DEST_DB_PASSWORD"],
    arrange: async () => ({ DEST_DB_PASSWORD: secret }),
  },
  {
    name: "a role that is not known",
    code: 2,
    says: ['rejects the password of "nobody_here"', "DB_USER"],
    arrange: async () => ({ DB_USER: "nobody_here" }),
  },
  {
    name: "a database that is not known",
    code: 2,
    says: ['has no database "Nowhere"', "correct DB_NAME"],
    arrange: async () => ({ DB_NAME: "Nowhere" }),
  },
  {
    name: "a role without a free connection",
    code: 1,
    says: ["has no connection free", "CONNECTION LIMIT"],
    arrange: async (world) => {
      await createRole(world, "CONNECTION LIMIT 0");
      return login(world);
    },
  },
  {
    name: "a slot of another database",
    code: 2,
    says: [/belongs to database "postgres"; one of database "refusal_\d+"/],
    arrange: async ({ cluster, name }) => {
      const other = await cluster.client();
      await other.query(
        `SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`,
      );
      await other.end();
    },
  },
  {
    name: "a table that TRACK_TABLES names and nobody made",
    code: 2,
    says: ["TRACK_TABLES names public.nothing"],
    arrange: async () => ({ TRACK_TABLES: "public.nothing" }),
  },
  {
    name: "a table changes that is somebody else's",
    code: 3,
    says: ["public.changes that this worker did not make", "rename it"],
    arrange: async ({ destination }) => {
      await destination.query("CREATE TABLE changes (id int)");
    },
  },
  {
    name: "a destination of a newer worker",
    code: 3,
    says: ["schema version 99", "run the newer worker again"],
    arrange: async ({ destination }) => {
      await destination.query(
        "CREATE TABLE changes (id int); CREATE TABLE _bemi_migrations (version int); INSERT INTO _bemi_migrations VALUES (99)",
      );
    },
  },
  {
    name: "a role that may not make tables at the destination",
    code: 3,
    says: [
      "may not create tables in the schema public of the destination",
      /GRANT USAGE, CREATE ON SCHEMA public TO "app_refusal_\d+";/,
    ],
    arrange: async (world) => {
      await createRole(world);
      await world.destination.query(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
      );
      return login(world, "DEST_DB");
    },
  },
  {
    name: "tables at the destination that another role owns",
    code: 3,
    says: ["does not own public._bemi_migrations, public.changes", "OWNER TO"],
    arrange: async (world) => {
      await createRole(world);
      await world.destination.query(
        `GRANT ALL ON SCHEMA public TO ${role(world)}; CREATE TABLE changes (id int); CREATE TABLE _bemi_migrations (version int)`,
      );
      return login(world, "DEST_DB");
    },
  },
  {
    name: "a destination that cannot hold every character",
    code: 2,
    says: ["encoding is LATIN1; UTF8 is needed", "ENCODING 'UTF8'"],
    arrange: async ({ cluster, name }) => {
      const admin = await cluster.client();
      await admin.query(
        `CREATE DATABASE ${name}_latin ENCODING 'LATIN1' TEMPLATE template0`,
      );
      await admin.end();
      return { DEST_DB_NAME: `${name}_latin` };
    },
  },
  {
    name: "a port of health and metrics that is taken",
    code: 2,
    says: ["HTTP_HOST, HTTP_PORT: cannot listen", "EADDRINUSE", "or 0 for any"],
    arrange: async ({ keep }) => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      keep({
        [Symbol.asyncDispose]: async () => {
          server.close();
        },
      });
      return { HTTP_PORT: String((server.address() as AddressInfo).port) };
    },
  },
  {
    name: "SETUP=never where nothing is set up",
    code: 3,
    says: ['slot "refusal', "does not exist", "the subcommand setup"],
    arrange: async () => ({ SETUP: "never" }),
  },
  {
    name: "a database whose bytes have no meaning (SQL_ASCII)",
    code: 3,
    says: ["encoding is SQL_ASCII", "ENCODING 'UTF8'"],
    arrange: async ({ cluster, name }) => {
      const admin = await cluster.client();
      await admin.query(
        `CREATE DATABASE ${name}_ascii ENCODING 'SQL_ASCII' TEMPLATE template0`,
      );
      await admin.end();
      return { DB_NAME: `${name}_ascii` };
    },
  },
  {
    name: "wal_level = replica",
    code: 3,
    says: [
      "wal_level is replica; logical is needed",
      "ALTER SYSTEM SET wal_level = logical;",
      "rds.logical_replication",
    ],
    arrange: async () => undefined,
    server: { settings: { wal_level: "replica" } },
  },
  {
    name: "PostgreSQL 13 as source",
    code: 2,
    says: [/the source is PostgreSQL 13\.\d+; 14 or later is needed/],
    arrange: async () => undefined,
    server: { major: 13 },
  },
  {
    name: "a server without a free replication slot",
    code: 3,
    says: [
      "all 1 replication slots are in use",
      "raise max_replication_slots to at least 3",
    ],
    arrange: async ({ cluster }) => {
      const other = await cluster.client();
      await other.query(
        "SELECT pg_create_physical_replication_slot('somebody_else')",
      );
      await other.end();
    },
    server: { settings: { max_replication_slots: 1 } },
  },
  {
    name: "a server without a free WAL sender",
    code: 3,
    says: ["all 1 WAL senders are in use", "raise max_wal_senders"],
    arrange: async ({ cluster, keep }) => {
      const { host, port, user, password } = cluster;
      const other = await cluster.client(
        "postgres",
        replicaConnection({ host, port, user, password }),
      );
      keep({ [Symbol.asyncDispose]: () => other.end() });
    },
    server: { settings: { max_wal_senders: 1 } },
  },
];

let shared: Cluster;
beforeAll(async () => {
  shared = await Cluster.start({ settings: { max_connections: 100 } });
});
afterAll(() => shared[Symbol.asyncDispose]());

let count = 0;

/** A source and a destination database, in which one thing is wrong. */
async function inWorld(
  cluster: Cluster,
  test: (world: World) => Promise<void>,
): Promise<void> {
  const name = `refusal_${++count}`;
  await using kept = new AsyncDisposables();
  const databases = [name, `${name}_dest`] as const;
  for (const database of databases) await cluster.createDatabase(database);
  const [source, destination] = await Promise.all(
    databases.map((database) => cluster.client(database)),
  );
  if (!source || !destination) throw new Error("not connected");
  kept.add({ [Symbol.asyncDispose]: () => source.end() });
  kept.add({ [Symbol.asyncDispose]: () => destination.end() });
  await source.query("CREATE TABLE todo (id int PRIMARY KEY, task text)");
  const env = workerEnvironment(
    cluster,
    name,
    { cluster, database: `${name}_dest` },
    { SLOT_NAME: name },
  );
  const keep = (resource: AsyncDisposable) => kept.add(resource);
  await test({ cluster, name, source, destination, env, keep });
}

class AsyncDisposables implements AsyncDisposable {
  readonly #resources: AsyncDisposable[] = [];
  add(resource: AsyncDisposable): void {
    this.#resources.unshift(resource);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#resources) await one[Symbol.asyncDispose]();
  }
}

function expectSentence(
  result: CommandResult,
  { code, says }: Pick<Case, "code" | "says">,
): void {
  const { last, fatal, stdout, stderr } = result;
  expect({ code: result.code, fatal: fatal.length, stderr }).toEqual({
    code,
    fatal: 1,
    stderr: "",
  });
  expect(last).toMatchObject({ level: "fatal", exitCode: code });
  const text = `${last?.msg}\n${last?.remedy ?? ""}`;
  for (const words of says) {
    if (typeof words === "string") expect(text).toContain(words);
    else expect(text).toMatch(words);
  }
  expect(stdout).not.toMatch(/\n\s+at |node:internal/);
  expect(stdout).not.toContain(secret);
}

async function expectUntouched(
  world: World,
  act: () => Promise<void>,
): Promise<void> {
  const { source, destination } = world;
  const look = async () => [
    await catalogueOf(source),
    await catalogueOf(destination),
  ];
  const before = await look();
  await act();
  expect(await look()).toEqual(before);
}

describe("refused in one sentence with its remedy, and nothing written:", () => {
  test.each(cases)("$name", async (given) => {
    await using own = given.server
      ? await Cluster.start(given.server)
      : undefined;
    await inWorld(own ?? shared, async (world) => {
      const variables = await given.arrange(world);
      await expectUntouched(world, async () => {
        const result = await runCommand({ ...world.env, ...variables });
        expectSentence(result, given);
      });
    });
  });

  test("PostgreSQL 13 as destination", async () => {
    await using old = await Cluster.start({ major: 13 });
    const destination = await old.client();
    await inWorld(shared, async (world) => {
      const { DB_HOST, ...env } = world.env;
      await expectUntouched({ ...world, destination }, async () => {
        const result = await runCommand({
          ...env,
          DB_HOST: String(DB_HOST),
          ...workerEnvironment(old, "postgres"),
          ...prefixed(workerEnvironment(old, "postgres")),
          ...sourceOf(world.env),
        });
        expectSentence(result, {
          code: 2,
          says: [/the destination is PostgreSQL 13\.\d+; 14 or later/],
        });
      });
    });
    await destination.end();
  });

  test("a standby as source, as destination, and as both", async () => {
    await using primary = await Cluster.start();
    await using standby = await startStandby(primary);
    await inWorld(shared, async (world) => {
      const there = sourceOf(workerEnvironment(standby, "postgres"));
      const client = await standby.client();
      await expectUntouched({ ...world, source: client }, async () => {
        const asSource = await runCommand({ ...world.env, ...there });
        expectSentence(asSource, {
          code: 2,
          says: ["the source is a standby", "point DB_HOST at the primary"],
        });
        const asDestination = await runCommand({
          ...world.env,
          ...prefixed(there),
        });
        expectSentence(asDestination, {
          code: 2,
          says: ["the destination is a standby", "point DEST_DB_HOST at"],
        });
        const asBoth = await runCommand({ ...there, HTTP_PORT: "0" });
        expectSentence(asBoth, { code: 2, says: ["the source is a standby"] });
      });
      await client.end();
    });
  });
});

describe("a pooler in front is refused as what it is", () => {
  const skipped = poolerPath === undefined && !process.env.CI;
  const run = skipped ? test.skip : test;
  const reason = skipped ? " (skipped: pgbouncer is not installed)" : "";

  run.each([
    ["session", ""],
    ["session", "options, extra_float_digits"],
    ["transaction", ""],
    ["transaction", "options, extra_float_digits"],
    ["transaction", "options, extra_float_digits, replication"],
  ])(
    `pool_mode = %s, ignore_startup_parameters = "%s"${reason}`,
    async (poolMode, ignored) => {
      await using pooler = await startPooler(shared, {
        pool_mode: poolMode,
        ...(ignored ? { ignore_startup_parameters: ignored } : {}),
      });
      await inWorld(shared, async (world) => {
        const port = String(pooler.port);
        await expectUntouched(world, async () => {
          const source = await runCommand({ ...world.env, DB_PORT: port });
          expectSentence(source, {
            code: 2,
            says: [
              "a pooler or proxy (PgBouncer, RDS Proxy) seems to be in front",
              /set DB_HOST and DB_PORT/,
            ],
          });
          const destination = await runCommand({
            ...world.env,
            DEST_DB_PORT: port,
          });
          expectSentence(destination, {
            code: 2,
            says: ["a pooler or proxy", /set DEST_DB_HOST and DEST_DB_PORT/],
          });
        });
        // Its server connections would keep the databases from being dropped.
      });
    },
  );
});

describe("the remedy is complete: after an administrator ran it, the worker starts", () => {
  test.each([
    ["REPLICATION alone, where an administrator set up the rest", true, ""],
    ["REPLICATION and everything else", false, ""],
    ["the table", false, "REPLICATION"],
    ["the event trigger and the publication", false, "REPLICATION"],
  ])("for a role that lacks %s", async (what, setUp, attributes) => {
    await inWorld(shared, async (world) => {
      await createRole(world, attributes);
      if (what.startsWith("the event trigger")) {
        await world.source.query(`ALTER TABLE todo OWNER TO ${role(world)}`);
      }
      if (setUp) expect((await runCommand(world.env, "setup")).code).toBe(0);
      const env = { ...world.env, ...login(world) };
      let refused = {} as CommandResult;
      await expectUntouched(world, async () => {
        refused = await runCommand(env);
      });
      expectSentence(refused, { code: 3, says: [role(world)] });
      const sql = sqlOf(String(refused.last?.remedy));
      if (!attributes) expect(sql[0]).toContain("ALTER ROLE");
      for (const statement of sql) await world.source.query(statement);
      await expectStreams(env);
    });
  });

  test("for a role that may not make tables at the destination", async () => {
    await inWorld(shared, async (world) => {
      await createRole(world);
      const env = { ...world.env, ...login(world, "DEST_DB") };
      const refused = await runCommand(env);
      for (const statement of sqlOf(String(refused.last?.remedy)))
        await world.destination.query(statement);
      await expectStreams(env);
    });
  });
});

async function expectStreams(env: Record<string, string>): Promise<void> {
  await using worker = WorkerProcess.start(env);
  await worker.log("streaming");
  worker.signal("SIGTERM");
  expect(await worker.exited).toEqual({ code: 0, signal: null });
}

/** The statements of a remedy: from its second line on, or after a colon. */
function sqlOf(remedy: string): string[] {
  const start = remedy.includes(":\n") ? /:\n/ : /: (?=[A-Z]+ )/;
  const sql = remedy.slice(remedy.search(start) + 2);
  const statement = /(?:\$bemi\$[\s\S]*?\$bemi\$|[^;])+(?=;)/g;
  return [...sql.matchAll(statement)].map(([text]) => text.trim());
}

/** DB_* alone. */
function sourceOf(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => name.startsWith("DB_")),
  );
}

/** DB_* as DEST_DB_*. */
function prefixed(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sourceOf(env)).map(([name, value]) => [
      `DEST_${name}`,
      value,
    ]),
  );
}
