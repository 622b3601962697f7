import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DescribeImagesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { mockClient } from "aws-sdk-client-mock";
import { namesOf } from "../../config/names";
import { Cdktf } from "../../scripts/deploy/cdktf";
import { deployEnvironment } from "../../scripts/deploy/environment-deployment";
import { Docker } from "../../scripts/image/docker";
import { EnvironmentFolder } from "../support/environment-folder";
import { type EnvironmentName, environmentFile } from "../support/environments";
import { AwsError, FakeSecrets } from "../support/fake-secrets";
import { type Answers, StandIns } from "../support/stand-in";

const DIGEST = `sha256:${"cd".repeat(32)}`;
const { secrets: names, stacks } = namesOf("prod");
const root = mkdtempSync(join(tmpdir(), "bemi-deploy-"));
const ecr = mockClient(ECRClient);

let secrets: FakeSecrets;
let said = "";

beforeAll(() => {
  for (const folder of ["dist", "worker", "cdktf.out"])
    mkdirSync(join(root, folder));
  cpSync(
    join(__dirname, "../../worker/Dockerfile"),
    join(root, "worker/Dockerfile"),
  );
  for (const path of ["dist/worker.js", "dist/worker.js.LEGAL.txt", "LICENSE"])
    writeFileSync(join(root, path), path);
});

afterAll(() => rmSync(root, { recursive: true }));

beforeEach(() => {
  said = "";
  for (const name of ["error", "log"] as const)
    jest.spyOn(console, name).mockImplementation((...texts: unknown[]) => {
      said += `${texts.join(" ")}
`;
    });
  secrets = new FakeSecrets();
  secrets.add(...Object.values(names));
  ecr.reset();
  ecr
    .on(DescribeImagesCommand)
    .resolves({ imageDetails: [{ imageDigest: DIGEST }] });
});

afterEach(() => {
  secrets.restore();
  jest.restoreAllMocks();
});

const TERRAFORM: Answers = {
  version: { run: `process.stdout.write('{"terraform_version": "1.11.4"}')` },
};

/** What `cdktf synth` leaves behind. */
function synthesizes(...all: readonly string[]): Answers {
  const manifest = JSON.stringify({
    stacks: Object.fromEntries(all.map((name) => [name, { name }])),
  });
  return {
    synth: {
      run: `require("node:fs").writeFileSync("cdktf.out/manifest.json", ${JSON.stringify(manifest)})`,
    },
  };
}

const ALL = synthesizes(
  ...Object.values(stacks),
  "prod-eu-foundation",
  "other-worker",
);

interface Arrangement {
  readonly cdktf?: Answers;
  readonly terraform?: Answers;
  readonly approve?: boolean;
}

async function deploy(
  folder: EnvironmentFolder,
  standIns: StandIns,
  { approve = true }: Arrangement = {},
): Promise<void> {
  await deployEnvironment({
    file: folder.file,
    root,
    cdktf: new Cdktf({ root, approve, env: standIns.env }),
    docker: new Docker(standIns.env),
    now: new Date("2026-11-20T12:00:00Z"),
  });
}

const folderOf = (name: EnvironmentName) =>
  new EnvironmentFolder("prod", environmentFile(name));
const standInsOf = ({ cdktf = ALL, terraform = TERRAFORM }: Arrangement = {}) =>
  new StandIns().add("cdktf", cdktf).add("terraform", terraform).add("docker");

const cdktfLines = (standIns: StandIns) =>
  standIns.lines.filter((line) => line.startsWith("cdktf"));

test("an environment is deployed in order, and by whole names", async () => {
  secrets.set(names.source, "{}");
  using folder = folderOf("before-keys");
  using standIns = standInsOf();
  await deploy(folder, standIns);
  expect(cdktfLines(standIns)).toEqual([
    "cdktf deploy prod-foundation --auto-approve",
    "cdktf synth",
    "cdktf deploy prod-foundation prod-vpn-node prod-source-database prod-worker --auto-approve --skip-synth",
  ]);
  const { connection, worker } = JSON.parse(folder.text);
  expect(connection.node.publicKey).toBe(
    JSON.parse(secrets.current(names.vpnNode) ?? "").publicKey,
  );
  expect(worker.imageDigest).toBe(DIGEST);
  expect(said.match(/\d\/5 \w+/g)).toEqual([
    "1/5 Foundation",
    "2/5 Keys",
    "3/5 Passwords",
    "4/5 Image",
    "5/5 Stacks",
  ]);
});

test("plans are asked for unless they are approved beforehand", async () => {
  secrets.set(names.source, "{}");
  using folder = folderOf("direct");
  using standIns = standInsOf();
  await deploy(folder, standIns, { approve: false });
  expect(standIns.lines.join("\n")).not.toContain("--auto-approve");
});

test("keys and image come after the foundation, and before the synthesis", async () => {
  secrets.set(names.source, "{}");
  ecr
    .on(DescribeImagesCommand)
    .rejects(new AwsError("RepositoryNotFoundException"));
  using folder = folderOf("before-keys");
  using standIns = standInsOf();
  await expect(deploy(folder, standIns)).rejects.toThrow(
    "deploy the foundation first",
  );
  expect(cdktfLines(standIns)).toEqual([
    "cdktf deploy prod-foundation --auto-approve",
  ]);
  expect(secrets.current(names.vpnNode)).toBeDefined();
});

test("a deployment that stopped goes on, and makes nothing twice", async () => {
  using folder = folderOf("before-keys");
  using standIns = standInsOf();
  await expect(deploy(folder, standIns)).rejects.toThrow(
    "run npm run secret -- prod source, then the same command again to go on",
  );
  const keys = folder.text;
  secrets.set(names.source, "{}");
  const { writes } = secrets;
  await deploy(folder, standIns);
  expect(secrets.writes).toBe(writes);
  expect(JSON.parse(folder.text).connection).toEqual(
    JSON.parse(keys).connection,
  );
});

test("every password that is missing is named", async () => {
  using folder = folderOf("existing-destination");
  using standIns = standInsOf();
  await expect(deploy(folder, standIns)).rejects.toThrow(
    "npm run secret -- prod source and npm run secret -- prod destination",
  );
});

test("a new SSH key waits for the jump host, once", async () => {
  secrets.set(names.source, "{}");
  using folder = folderOf("before-keys-ssh");
  using standIns = standInsOf();
  const { publicKey } = await deploy(folder, standIns).then(
    () => ({ publicKey: "" }),
    (error: Error) => {
      expect(error.message).toContain(
        "put this line into authorized_keys of bemi on jump.shop.example",
      );
      expect(error.message).toMatch(
        /restrict,port-forwarding,permitopen="shop\.[^"]+:5432" ssh-ed25519 \S+ bemi-prod/,
      );
      return JSON.parse(secrets.current(names.ssh) ?? "{}");
    },
  );
  expect(publicKey).toContain("ssh-ed25519");
  await deploy(folder, standIns);
  expect(cdktfLines(standIns).at(-1)).toContain("prod-worker");
});

test("beside somebody else's VPN server there is no worker, image or password", async () => {
  using folder = folderOf("vpn-foreign");
  const file = JSON.parse(folder.text);
  delete file.connection.node.publicKey;
  folder.text = JSON.stringify(file);
  secrets.restore();
  secrets = new FakeSecrets();
  secrets.add(names.vpnNode);
  using standIns = standInsOf({
    cdktf: synthesizes(
      stacks.foundation,
      stacks.vpnNode,
      stacks.sourceDatabase,
    ),
  });
  await deploy(folder, standIns);
  expect(cdktfLines(standIns).at(-1)).toBe(
    "cdktf deploy prod-foundation prod-vpn-node prod-source-database --auto-approve --skip-synth",
  );
  expect(said).toContain("to the provider of the VPN server");
  expect(ecr.calls()).toHaveLength(0);
});

test("a stack that the synthesis left out is not passed over", async () => {
  secrets.set(names.source, "{}");
  using folder = folderOf("before-keys");
  using standIns = standInsOf({
    cdktf: synthesizes(stacks.foundation, stacks.worker),
  });
  await expect(deploy(folder, standIns)).rejects.toThrow(
    "cdktf synth made no stack prod-vpn-node",
  );
  expect(cdktfLines(standIns)).toHaveLength(2);
});

test("a foundation that cannot be deployed ends it", async () => {
  using folder = folderOf("before-keys");
  using standIns = standInsOf({ cdktf: { ...ALL, deploy: { code: 7 } } });
  await expect(deploy(folder, standIns)).rejects.toThrow(
    "cdktf deploy ended with exit code 7",
  );
  expect(secrets.mock.calls()).toHaveLength(0);
});

test("a file that is wrong ends it before anything is made", async () => {
  using folder = folderOf("direct");
  folder.text = folder.text.replace('"111111111111"', '"1"');
  using standIns = standInsOf();
  await expect(deploy(folder, standIns)).rejects.toMatchObject({
    name: "EnvironmentError",
  });
  expect(standIns.calls).toEqual([]);
});

test.each<[string, Answers, string]>([
  [
    "is too old",
    {
      version: {
        run: `process.stdout.write('{"terraform_version": "1.9.8"}')`,
      },
    },
    "terraform is 1.9: 1.10 or later",
  ],
  ["says no version", { version: { code: 1 } }, "of an unknown version"],
])("one sentence when Terraform %s", async (_, terraform, expected) => {
  using folder = folderOf("direct");
  using standIns = standInsOf({ terraform });
  await expect(deploy(folder, standIns)).rejects.toThrow(expected);
  expect(cdktfLines(standIns)).toEqual([]);
});

test("one sentence when Terraform or cdktf is missing", async () => {
  using folder = folderOf("direct");
  using nothing = new StandIns();
  await expect(deploy(folder, nothing)).rejects.toThrow(
    "there is no terraform on PATH",
  );
  nothing.add("terraform", TERRAFORM);
  await expect(deploy(folder, nothing)).rejects.toThrow(
    "there is no cdktf on PATH",
  );
});
