import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEnvironment } from "../../config/read-environment";
import { publicKeys } from "../support/environments";

const root = join(__dirname, "../..");

/** A folder with nothing but the environments in it. */
function workplace(): Disposable & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "init-"));
  mkdirSync(join(folder, "environments"));
  return {
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function init(folder: string, ...args: string[]) {
  const tsx = require.resolve("tsx");
  const script = join(root, "scripts/init.ts");
  return spawnSync(process.execPath, ["--import", tsx, script, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
}

const database = [
  ...["--account", "111111111111", "--region", "us-west-1"],
  ...["--host", "shop.example", "--database", "shop"],
];
const instance = [
  ...["--rds-instance", "shop", "--postgres-version", "17"],
  ...["--storage-gib", "100"],
];

test.each([
  ["direct", [...database, ...instance, "--mode", "direct"]],
  ["elsewhere", [...database, "--no-rds", "--mode", "direct"]],
  [
    "aurora",
    [
      ...[...database, "--aurora-cluster", "shop", "--postgres-version", "16"],
      ...["--mode", "direct", "--email", "a@example.com", "b@example.com"],
      ...["--state-bucket", "states"],
    ],
  ],
  [
    "jump",
    [
      ...[...database, ...instance, "--mode", "ssh", "--ssh-host", "jump"],
      ...["--ssh-user", "bemi", "--ssh-host-key", publicKeys.jumpHost],
    ],
  ],
  [
    "tunnel",
    [
      ...[...database, ...instance, "--vpc", "vpc-0a1b2c3d"],
      ...["--subnet-cidrs", "10.20.30.0/24, 10.20.31.0/24"],
      ...[
        "--security-group",
        "sg-0a1b2c3d",
        "--node-subnet",
        "subnet-0a1b2c3d",
      ],
    ],
  ],
  [
    "provider",
    [
      ...[...database, ...instance, "--vpc", "vpc-0a1b2c3d"],
      ...["--subnet-cidrs", "10.20.30.0/24", "--security-group", "sg-0a1b2c3d"],
      ...["--node-subnet", "subnet-0a1b2c3d"],
      ...["--server-key", publicKeys.provider],
      ...["--server-endpoint", "vpn.example:51821"],
    ],
  ],
])("%s: with every answer given, the file is valid", (name, args) => {
  using place = workplace();
  const { status, stdout, stderr } = init(place.folder, name, ...args);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain(`npm run deploy -- ${name}`);
  expect(stdout).not.toContain("Fill in");
  const path = join(place.folder, "environments", `${name}.json`);
  expect(readEnvironment(path, readFileSync(path, "utf8")).name).toBe(name);
});

test("what is not answered is a placeholder that no deployment gets past", () => {
  using place = workplace();
  const { status, stdout } = init(place.folder, "shop", "--host", "db.shop");
  expect(status).toBe(0);
  expect(stdout).toContain("source.account.id: 12 digits of the database's");
  expect(stdout).toContain("connection.node.subnetId: a private subnet");
  const path = join(place.folder, "environments/shop.json");
  const read = () => readEnvironment(path, readFileSync(path, "utf8"));
  expect(read).toThrow("source.database: still to be filled in: name of");
  expect(read).not.toThrow("source.host");
});

test("a file that is there is left as it is", () => {
  using place = workplace();
  const path = join(place.folder, "environments/shop.json");
  writeFileSync(path, "mine");
  const { status, stderr } = init(place.folder, "shop", ...database);
  expect(status).toBe(2);
  expect(stderr).toContain("is there already, and is left as it is");
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test.each([
  [["shop", "--account", "1"], 'source.account.id: got "1"'],
  [["Shop"], "as the file's name"],
  [["shop", "--mode", "tor"], "Allowed choices are direct, ssh, vpn"],
  [["shop", "--ssh-host", "jump"], "--ssh-host is for --mode ssh"],
  [
    ["shop", "--mode", "direct", "--server-key", publicKeys.provider],
    "--server-key is for --mode vpn, and the mode is direct",
  ],
  [["shop", "--postgres-version", "17.2"], "a whole number is needed"],
  [[], "missing required argument 'env'"],
  [["shop", "other"], "too many arguments"],
  [["shop-eu"], "'shop-*'"],
])("%j is refused, and nothing written", (args, reason) => {
  using place = workplace();
  const folder = join(place.folder, "environments");
  if (args[0] === "shop-eu") writeFileSync(join(folder, "shop.json"), "{}");
  const before = readdirSync(folder);
  const { status, stderr } = init(place.folder, ...args);
  expect(status).toBe(2);
  expect(stderr).toContain(reason);
  expect(readdirSync(folder)).toEqual(before);
});

test("it explains itself", () => {
  const { status, stdout } = init(root, "--help");
  expect(status).toBe(0);
  expect(stdout).toContain("--server-endpoint");
});
