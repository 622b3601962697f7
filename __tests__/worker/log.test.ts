import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DatabaseError } from "pg";
import { describeError } from "../../worker/log";

function failure(
  code: string | undefined,
  fields: Partial<DatabaseError> = {},
) {
  const error = new DatabaseError("text of the server", 0, "error");
  return Object.assign(error, { ...(code ? { code } : {}), ...fields });
}

test.each<[string | undefined, Partial<DatabaseError>, boolean]>([
  ["42P01", {}, true],
  ["53100", {}, true],
  ["42704", { where: 'slot "bemi", output plugin "pgoutput"' }, true],
  ["42704", { where: "PL/pgSQL function f() line 1 at RAISE" }, false],
  ["53100", { where: "COPY changes, line 1" }, false],
  ["22P02", {}, false],
  ["22021", { where: 'slot "bemi", output plugin "pgoutput"' }, false],
  ["23505", {}, false],
  ["XX000", {}, false],
  ["P0001", {}, false],
  [undefined, {}, false],
])("the text of SQLSTATE %s with %j is shown: %s", (code, fields, shown) => {
  const described = describeError(failure(code, fields));
  expect("message" in described).toBe(shown);
  expect(described.sqlState).toBe(code);
});

test("names are shown, but not those that a function chose; detail, hint and query never", () => {
  const secret = "canary";
  const quoting = { detail: secret, hint: secret, internalQuery: secret };
  const names = { schema: "public", table: "changes", constraint: "c" };
  const server = failure("23514", { ...names, ...quoting });
  expect(describeError(server)).toMatchObject(names);
  const raised = failure("23514", { ...names, routine: "exec_stmt_raise" });
  expect(describeError(raised)).not.toHaveProperty("table");
  expect(JSON.stringify(describeError(server))).not.toContain(secret);
});

test("causes are described by the same rules, and what is no error by nothing of it", () => {
  const error = new Error("cannot", { cause: failure("23505") });
  expect(describeError(error)).toMatchObject({
    message: "cannot",
    cause: { sqlState: "23505" },
  });
  expect(JSON.stringify(describeError(error))).not.toContain("text of");
  expect(JSON.stringify(describeError("canary"))).not.toContain("canary");
});

/** A process of its own, since jest's has another standard output. */
function logging(script: string, stdout: "pipe" | number) {
  const module = join(__dirname, "../../worker/log.ts");
  const logger = `const log = require(${JSON.stringify(module)}).createLog("info");`;
  const tsx = pathToFileURL(require.resolve("tsx")).href;
  const args = ["--import", tsx, "-e", `${logger}${script}`];
  return spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", stdout, "pipe"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
}

test("lines come in the order in which they were said, also a fatal one", () => {
  const { stdout, stderr } = logging(
    `let turn = 0;
     const say = () => {
       log.info(String(turn++));
       log.fatal(String(turn++));
       if (turn < 400) setImmediate(say);
     };
     say();`,
    "pipe",
  );
  const said = [...stdout.matchAll(/"msg":"(\d+)"/g)].map(([, n]) => Number(n));
  expect({ said, stderr }).toEqual({
    said: [...Array(400).keys()],
    stderr: "",
  });
});

// A device of Linux that is always full.
(existsSync("/dev/full") ? test : test.skip)(
  "a full disk for the log stops nothing",
  () => {
    const full = openSync("/dev/full", "w");
    const script = 'log.info("1"); log.fatal("2"); process.exitCode = 3;';
    const { status, stderr } = logging(script, full);
    closeSync(full);
    expect({ status, stderr }).toEqual({ status: 3, stderr: "" });
  },
);
