/**
 * What goes wrong is said without the customer's data: a canary in rows,
 * contexts, passwords and keys, and every way of failing that quotes them.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { runCommand } from "../support/command";
import { addressOf } from "../support/health";
import { startJumpHost } from "../support/jump-host";
import { generateSshKey } from "../support/ssh-keys";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

const canary = "cAnArY7f3e";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

let count = 0;

interface Place {
  readonly source: Client;
  readonly destination: Client;
}

async function track(
  act: (place: Place, worker: WorkerProcess) => Promise<void>,
): Promise<void> {
  const name = `canary_${++count}`;
  await cluster.createDatabase(name);
  await cluster.createDatabase(`${name}_dest`);
  const source = await cluster.client(name);
  const destination = await cluster.client(`${name}_dest`);
  await source.query(
    `CREATE TABLE person (id text PRIMARY KEY, name text, doc json, born date);
     CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD '${canary}'`,
  );
  try {
    await using worker = WorkerProcess.start({
      ...workerEnvironment(
        cluster,
        name,
        { cluster, database: `${name}_dest` },
        { SLOT_NAME: name, LOG_LEVEL: "trace", MAX_VALUE_BYTES: "1024" },
      ),
      DB_USER: name,
      DB_PASSWORD: canary,
    });
    await worker.log("streaming");
    await act({ source, destination }, worker);
    const url = await addressOf(worker);
    const answers = ["health", "metrics"].map(async (path) =>
      // A worker that was stopped for good answers nobody.
      fetch(`${url}/${path}`).then(
        (response) => response.text(),
        () => "",
      ),
    );
    const said = [
      worker.stdout,
      worker.stderr,
      ...(await Promise.all(answers)),
    ];
    expect(said.join("\n")).not.toContain(canary);
  } finally {
    await source.end();
    await destination.end();
  }
}

const insert = `BEGIN;
  SELECT pg_logical_emit_message(true, '_bemi', '{"user": "${canary}"}');
  INSERT INTO person VALUES ('${canary}', '${canary}', '{"a": "${canary}"}');
  COMMIT`;

const raising = (raise: string) => `
  CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN ${raise} END $$;
  CREATE TRIGGER reject BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION reject()`;

const narrow = (condition: string) => `
  CREATE FUNCTION narrow() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.transaction_id = NEW.primary_key::bigint;
    RETURN NEW;
  END $$;
  CREATE TRIGGER narrow BEFORE INSERT ON changes FOR EACH ROW
    WHEN (${condition}) EXECUTE FUNCTION narrow()`;

describe("a row that the destination rejects", () => {
  test.each<[string, string, string]>([
    [
      "by a check constraint",
      "ALTER TABLE changes ADD CONSTRAINT no_one CHECK (primary_key IS NULL)",
      "23514",
    ],
    [
      "by a unique index",
      "CREATE UNIQUE INDEX ON changes (operation, committed_at)",
      "23505",
    ],
    [
      "by a trigger whose message quotes it",
      raising("RAISE EXCEPTION 'not %', NEW;"),
      "P0001",
    ],
    [
      "by a trigger, in hint, detail and the names",
      raising(
        "RAISE EXCEPTION 'no' USING ERRCODE = '23514', HINT = NEW.after, DETAIL = NEW.context, SCHEMA = NEW.primary_key, TABLE = NEW.primary_key, CONSTRAINT = NEW.primary_key, COLUMN = NEW.primary_key;",
      ),
      "23514",
    ],
    ["by a column that cannot hold it", narrow("true"), "22P02"],
    [
      "by a trigger that drops it",
      raising("RAISE WARNING 'dropped %', NEW; RETURN NULL;"),
      "a trigger or rule on public.changes",
    ],
  ])("for good, %s", async (_how, sql, sentence) => {
    await track(async ({ source, destination }, worker) => {
      await destination.query(sql);
      await source.query(insert);
      await source.query(
        `INSERT INTO person VALUES ('${canary}2'), ('${canary}3')`,
      );
      expect(await worker.exited).toMatchObject({ code: 3 });
      expect(worker.lines.at(-1)?.msg).toContain(sentence);
    });
  });

  test.each<[string, string, string]>([
    [
      "by a trigger under another error's code",
      raising("RAISE EXCEPTION 'not %', NEW USING ERRCODE = '53100';"),
      "53100",
    ],
    [
      "by a trigger that may not",
      raising(
        "RAISE EXCEPTION 'no' USING ERRCODE = '42501', HINT = NEW.after, DETAIL = NEW.context, TABLE = NEW.primary_key;",
      ),
      "42501",
    ],
  ])("and that is tried again, %s", async (_how, sql, code) => {
    await track(async ({ source, destination }, worker) => {
      await destination.query(sql);
      await source.query(insert);
      await eventually("a second attempt", async () => {
        return worker.lines.filter((each) => "retryInMs" in each).length > 1;
      });
      const line = await worker.log((each) => "retryInMs" in each);
      expect(line.error).toMatchObject({ sqlState: code });
    });
  });

  test.each<[string, string, string]>([
    [
      "by a trigger whose message quotes it",
      raising(
        "IF NEW.after <> '{}' AND NOT NEW.after ? '$omitted' THEN RAISE EXCEPTION 'not %', NEW; END IF; RETURN NEW;",
      ),
      "P0001",
    ],
    [
      "by a column that cannot hold it",
      narrow("NOT NEW.primary_key LIKE '%omitted%'"),
      "22P02",
    ],
  ])(
    "and that is stored without what it holds, %s",
    async (_how, sql, code) => {
      await track(async ({ source, destination }, worker) => {
        await destination.query(sql);
        await source.query(insert);
        const line = await worker.log("stored without its values");
        expect(line).toMatchObject({
          level: "error",
          table: "person",
          operation: "CREATE",
          error: { sqlState: code },
        });
      });
    },
  );
});

test("values that are stored otherwise: not jsonb, too large, no context", async () => {
  await track(async ({ source, destination }) => {
    await source.query(insert);
    await source.query(
      `INSERT INTO person (id, doc) VALUES ('2', '{"a": "${canary}\\u0000"}');
       INSERT INTO person (id, name) VALUES ('3', repeat('${canary}', 1000))`,
    );
    await source.query(
      `BEGIN; SELECT pg_logical_emit_message(true, '_bemi', '{"${canary}'); DELETE FROM person; COMMIT`,
    );
    await eventually("all of them", async () => {
      const { rows } = await destination.query("SELECT FROM changes");
      return rows.length === 6;
    });
  });
});

test("a connection that breaks in the middle of it, and a password that is wrong afterwards", async () => {
  await track(async ({ source, destination }, worker) => {
    await source.query(insert);
    await destination.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bemi-worker %'",
    );
    await source.query(`UPDATE person SET name = '${canary}${canary}'`);
    await source.query(
      `ALTER ROLE canary_${count} PASSWORD 'other'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'canary_${count}'`,
    );
    await worker.log("rejects the password");
  });
});

describe("secrets of the configuration", () => {
  const required = {
    DB_HOST: "127.0.0.1",
    DB_NAME: "x",
    DB_USER: "x",
    LOG_LEVEL: "trace",
    HTTP_PORT: "0",
  };

  test.each<[string, Record<string, string>]>([
    ["a URL for a host", { DB_HOST: `postgres://a:${canary}@h/db` }],
    ["a key that is none", { SSH_HOST: "h", SSH_PRIVATE_KEY: canary }],
    [
      "a key that is cut off",
      {
        SSH_HOST: "h",
        SSH_PRIVATE_KEY: `-----BEGIN OPENSSH PRIVATE KEY-----\n${canary}\n`,
      },
    ],
    ["a password for a file", { DB_PASSWORD_FILE: canary }],
    ["a key for a host key", { SSH_HOST: "h", SSH_HOST_KEY: "PRIVATE KEY" }],
    ["a name that is misspelt", { DB_PASWORD: canary, DB_PORT: "x" }],
  ])("%s", async (_name, wrong) => {
    const env = { ...required, DB_PASSWORD: canary, ...wrong };
    const { code, fatal, stdout, stderr } = await runCommand(env);
    expect(code).toBe(2);
    expect(fatal.length).toBeGreaterThan(0);
    expect(stdout + stderr).not.toContain(canary);
  });

  test("an SSH key that the jump host refuses, a host key that differs, and a passphrase", async () => {
    const passphrase = canary;
    const key = generateSshKey({ passphrase, cipher: "aes256-ctr", rounds: 1 });
    await using host = await startJumpHost({
      authorizedKey: generateSshKey().public,
    });
    for (const hostKey of [host.publicKey, generateSshKey().public]) {
      const env = {
        ...required,
        ...workerEnvironment(cluster, "postgres"),
        SSH_HOST: "127.0.0.1",
        SSH_PORT: String(host.port),
        SSH_USER: "jump",
        SSH_PRIVATE_KEY: key.private,
        SSH_PASSPHRASE: passphrase,
        SSH_HOST_KEY: hostKey,
      };
      const { code, stdout, stderr } = await runCommand(env);
      expect(code).toBe(3);
      const body = key.private.split("\n").filter((line) => line.length > 40);
      for (const secret of [canary, cluster.password, ...body])
        expect(stdout + stderr).not.toContain(secret);
    }
  });
});
