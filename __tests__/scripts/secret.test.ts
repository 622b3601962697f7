import { PassThrough, Writable } from "node:stream";
import { namesOf } from "../../config/names";
import { storeClientKey } from "../../scripts/secret/client-key";
import {
  missingSecrets,
  neededSecret,
  storePassword,
} from "../../scripts/secret/database-secret";
import { readHidden } from "../../scripts/secret/hidden-line";
import { CertificateAuthority } from "../support/certificate-authority";
import { changedEnvironment, environmentOf } from "../support/environments";
import { FakeSecrets } from "../support/fake-secrets";

const environment = environmentOf("existing-destination");
const names = namesOf("existing-destination").secrets;
const PASSWORD = 'p"ä\\ss wörd';

let secrets: FakeSecrets;

beforeEach(() => {
  secrets = new FakeSecrets();
  secrets.add(names.source, names.destination);
});

afterEach(() => secrets.restore());

const store = (
  password: string,
  database: "source" | "destination" = "source",
) => storePassword(environment, neededSecret(environment, database), password);

test.each([
  ["source", names.source, "bemi"],
  ["destination", names.destination, "bemi"],
] as const)(
  "the password at the %s is kept with the role's name",
  async (database, name, username) => {
    expect(await store(PASSWORD, database)).toBe("stored");
    expect(secrets.current(name)).toBe(
      JSON.stringify({ username, password: PASSWORD }),
    );
    expect(secrets.writes).toBe(1);
  },
);

test("the same password is not written again, another one is", async () => {
  await store(PASSWORD);
  expect(await store(PASSWORD)).toBe("unchanged");
  expect(await store("another")).toBe("stored");
  expect(secrets.previous(names.source)).toContain("wörd");
});

test.each([
  ["", "is empty"],
  ["two\nlines", "line break"],
  ["nul\u0000", "control character"],
  ["x".repeat(1025), "more than 1024"],
])(
  "the password %j is refused, and not repeated",
  async (password, expected) => {
    const error = await store(password).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "Failure" });
    const { message } = error as Error;
    expect(message).toContain(expected);
    if (password) expect(message).not.toContain(password);
    expect(secrets.writes).toBe(0);
  },
);

test("a destination that the kit makes has no password to give", () => {
  expect(() => neededSecret(environmentOf("direct"), "destination")).toThrow(
    "whose password RDS keeps",
  );
  expect(() => neededSecret(environmentOf("vpn-foreign"), "source")).toThrow(
    "no worker of its own",
  );
});

test("what has no value yet is found", async () => {
  await store(PASSWORD);
  const missing = await missingSecrets(environment);
  expect(missing.map(({ database }) => database)).toEqual(["destination"]);
});

describe("the key of a certificate that the worker shows", () => {
  const { certificate, key } = new CertificateAuthority("Clients").issue({
    commonName: "bemi",
  });
  const certified = changedEnvironment("existing-destination", (file) => {
    if (file.worker) {
      file.worker.settings = {
        DB_SSLCERT: certificate,
        DEST_DB_SSLCERT: certificate,
      };
    }
  });
  const storeKey = (text: string, database: "source" | "destination") =>
    storeClientKey(certified, neededSecret(certified, database), text);
  const contentOf = (name: string) => JSON.parse(secrets.current(name) ?? "");

  test.each([
    ["source", names.source],
    ["destination", names.destination],
  ] as const)(
    "at the %s it is kept beside the password, and each outlives the other's change",
    async (database, name) => {
      await store(PASSWORD, database);
      expect(await missingSecrets(certified)).toContainEqual(
        expect.objectContaining({ database, missing: "client key" }),
      );
      expect(await storeKey(key, database)).toBe("stored");
      expect(await storeKey(key, database)).toBe("unchanged");
      await store("another", database);
      expect(contentOf(name)).toEqual({
        username: "bemi",
        password: "another",
        clientKey: key,
      });
      const missing = await missingSecrets(certified);
      expect(missing.map((each) => each.database)).not.toContain(database);
    },
  );

  test("it is not stored before the password, nor for a worker that shows none", async () => {
    await expect(storeKey(key, "source")).rejects.toThrow("no password yet");
    await expect(
      storeClientKey(environment, neededSecret(environment, "source"), key),
    ).rejects.toThrow("set worker.settings.DB_SSLCERT first");
    expect(secrets.writes).toBe(0);
  });

  test("a key of another certificate, an encrypted one and none at all are refused, and not repeated", async () => {
    const other = new CertificateAuthority("x").issue({ commonName: "x" }).key;
    const encrypted = key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE");
    await store(PASSWORD);
    for (const [text, words] of [
      [other, "not that of the certificate in worker.settings.DB_SSLCERT"],
      [encrypted, "is encrypted"],
      ["hunter2", "cannot be read"],
    ] as const) {
      const error = await storeKey(text, "source").catch((e: unknown) => e);
      const { message } = error as Error;
      expect(message).toContain(words);
      expect(message).not.toContain(text.split("\n")[1] ?? text);
    }
    expect(contentOf(names.source)).not.toHaveProperty("clientKey");
  });
});

/** A terminal on which somebody types. */
function terminal(...lines: readonly string[]) {
  let isRaw = false;
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode(raw: boolean) {
      isRaw = raw;
    },
  });
  let shown = "";
  const output = new Writable({
    write(chunk, _encoding, done) {
      shown += chunk;
      // The next line comes after its question, as from a person.
      if (/: $/.test(String(chunk))) {
        const line = lines[shown.split(": ").length - 2];
        // The terminal itself shows what is typed while it is not raw.
        if (!isRaw) shown += line;
        if (line !== undefined) setImmediate(() => input.write(line));
      }
      done();
    },
  });
  return { input, output, shown: () => shown };
}

test("what is typed is not shown, and backspace works", async () => {
  const { input, output, shown } = terminal("hunx\u007fter2\r", "hunter2\r");
  expect(await readHidden("Password", { input, output })).toBe("hunter2");
  expect(shown()).toBe("Password: \nThe same again: \n");
});

test("a slip is noticed", async () => {
  const { input, output } = terminal("hunter2\r", "hunter3\r");
  await expect(readHidden("Password", { input, output })).rejects.toThrow(
    "not the same",
  );
});

test("Ctrl-C ends the question", async () => {
  const { input, output } = terminal("hunt\u0003");
  await expect(readHidden("Password", { input, output })).rejects.toThrow(
    "interrupted",
  );
});

test.each([
  ["hunter2\n", "hunter2"],
  ["hunter2", "hunter2"],
  ["hunter2\r\n", "hunter2"],
  [" hunter2 \n", " hunter2 "],
])("%j from a pipe is the password %j", async (piped, expected) => {
  const input = new PassThrough();
  input.end(piped);
  const output = new PassThrough();
  expect(await readHidden("Password", { input, output })).toBe(expected);
  expect(output.read()).toBeNull();
});
