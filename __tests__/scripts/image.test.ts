import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DescribeImagesCommand,
  ECRClient,
  GetAuthorizationTokenCommand,
} from "@aws-sdk/client-ecr";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { mockClient } from "aws-sdk-client-mock";
import { Docker } from "../../scripts/image/docker";
import { ensureImage } from "../../scripts/image/environment-image";
import { imageFiles, imageTag } from "../../scripts/image/image-content";
import { EnvironmentFolder } from "../support/environment-folder";
import { environmentFile } from "../support/environments";
import { AwsError } from "../support/fake-secrets";
import { type Answers, StandIns } from "../support/stand-in";

const PASSWORD = "registry:password";
const REGISTRY = "111111111111.dkr.ecr.us-west-1.amazonaws.com";
const DIGEST = `sha256:${"ab".repeat(32)}`;

const ecr = mockClient(ECRClient);
const sts = mockClient(STSClient);
const root = mkdtempSync(join(tmpdir(), "bemi-image-"));

beforeAll(() => {
  mkdirSync(join(root, "dist"));
  mkdirSync(join(root, "worker"));
  cpSync(
    join(__dirname, "../../worker/Dockerfile"),
    join(root, "worker/Dockerfile"),
  );
  for (const path of ["dist/worker.js", "dist/worker.js.LEGAL.txt", "LICENSE"])
    writeFileSync(join(root, path), path);
});

afterAll(() => rmSync(root, { recursive: true }));

/** On stderr. */
let said = "";

beforeEach(() => {
  ecr.reset();
  sts.reset();
  sts.on(GetCallerIdentityCommand).resolves({ Account: "111111111111" });
  ecr.on(GetAuthorizationTokenCommand).resolves({
    authorizationData: [
      {
        authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString("base64"),
        proxyEndpoint: `https://${REGISTRY}`,
      },
    ],
  });
  said = "";
  jest.spyOn(console, "error").mockImplementation((...texts: unknown[]) => {
    said += `${texts.join(" ")}
`;
  });
  jest.spyOn(process.stderr, "write").mockImplementation(() => true);
});

afterEach(() => jest.restoreAllMocks());

/** Not there at first, and there when it has been looked for a second time. */
function appearsAfterPush(): void {
  ecr
    .on(DescribeImagesCommand)
    .rejectsOnce(new AwsError("ImageNotFoundException"))
    .resolves({ imageDetails: [{ imageDigest: DIGEST }] });
}

const folderOf = () => new EnvironmentFolder("prod", environmentFile("direct"));
const dockerOf = (standIns: StandIns) => new Docker(standIns.env);

async function messageOf(answers: Answers): Promise<string> {
  using standIns = new StandIns().add("docker", answers);
  using folder = folderOf();
  const before = folder.text;
  const work = ensureImage(folder.file, { root, docker: dockerOf(standIns) });
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "Failure" });
  const { message } = error as Error;
  expect(message).not.toContain("\n");
  expect(message).not.toContain(PASSWORD);
  expect(folder.text).toBe(before);
  return message;
}

test("an image that is not there is built, pushed and recorded", async () => {
  appearsAfterPush();
  using standIns = new StandIns().add("docker");
  using folder = folderOf();
  const result = await ensureImage(folder.file, {
    root,
    docker: dockerOf(standIns),
  });
  const tag = imageTag(root, "linux/arm64");
  expect(result).toEqual({
    what: "pushed",
    tag,
    digest: DIGEST,
    changed: true,
  });
  expect(JSON.parse(folder.text).worker.imageDigest).toBe(DIGEST);
  expect(standIns.lines).toEqual([
    "docker info --format {{.ID}}",
    "docker buildx version",
    `docker login --username AWS --password-stdin ${REGISTRY}`,
    `docker buildx build --platform linux/arm64 --provenance=false --push --tag ${REGISTRY}/bemi-prod-worker:${tag} --file ${root}/worker/Dockerfile ${root}`,
    `docker logout ${REGISTRY}`,
  ]);
});

test("the registry's password goes through stdin, and is no argument", async () => {
  appearsAfterPush();
  using standIns = new StandIns().add("docker");
  using folder = folderOf();
  await ensureImage(folder.file, { root, docker: dockerOf(standIns) });
  const login = standIns.calls.find(({ args }) => args[0] === "login");
  expect(login?.stdin).toBe(PASSWORD);
  for (const line of standIns.lines) expect(line).not.toContain(PASSWORD);
  for (const { args, stdin } of standIns.calls) {
    if (args[0] !== "login") expect(stdin).toBe("");
  }
});

test("an image that is there is not built again", async () => {
  ecr
    .on(DescribeImagesCommand)
    .resolves({ imageDetails: [{ imageDigest: DIGEST }] });
  using standIns = new StandIns();
  using folder = folderOf();
  const docker = dockerOf(standIns);
  const first = await ensureImage(folder.file, { root, docker });
  expect(first).toMatchObject({
    what: "was there",
    digest: DIGEST,
    changed: true,
  });
  const second = await ensureImage(folder.file, { root, docker });
  expect(second).toMatchObject({ what: "was there", changed: false });
  expect(ecr.commandCalls(GetAuthorizationTokenCommand)).toHaveLength(0);
});

test("the repository is looked for in the environment's account only", async () => {
  ecr
    .on(DescribeImagesCommand)
    .resolves({ imageDetails: [{ imageDigest: DIGEST }] });
  using folder = folderOf();
  await ensureImage(folder.file, { root });
  expect(
    ecr.commandCalls(DescribeImagesCommand)[0]?.args[0].input,
  ).toMatchObject({
    registryId: "111111111111",
    repositoryName: "bemi-prod-worker",
  });
});

test("without a worker of its own an environment needs no image", async () => {
  using folder = new EnvironmentFolder("prod", environmentFile("vpn-foreign"));
  expect(await ensureImage(folder.file, { root })).toEqual({
    what: "not needed",
  });
  expect(ecr.calls()).toHaveLength(0);
});

test("the platform is the task's", async () => {
  appearsAfterPush();
  const file = environmentFile("direct");
  if (file.worker) file.worker.architecture = "x86_64";
  using standIns = new StandIns().add("docker");
  using folder = new EnvironmentFolder("prod", file);
  await ensureImage(folder.file, { root, docker: dockerOf(standIns) });
  expect(standIns.lines.join("\n")).toContain("--platform linux/amd64 ");
});

test("a tag that somebody else pushed meanwhile is theirs, and is used", async () => {
  appearsAfterPush();
  using standIns = new StandIns().add("docker", {
    "buildx build": {
      code: 1,
      stderr:
        "ERROR: failed to push: tag invalid: The image tag 'sha-0' already exists in the 'bemi-prod-worker' repository and cannot be overwritten because the tag is immutable.\n",
    },
  });
  using folder = folderOf();
  const result = await ensureImage(folder.file, {
    root,
    docker: dockerOf(standIns),
  });
  expect(result).toMatchObject({ what: "pushed", digest: DIGEST });
  expect(said).toContain("theirs is used");
});

test("docker is signed out also when the build fails", async () => {
  appearsAfterPush();
  using standIns = new StandIns().add("docker", {
    "buildx build": {
      code: 1,
      stderr: "one\nERROR: no space left on device\n",
    },
  });
  using folder = folderOf();
  await expect(
    ensureImage(folder.file, { root, docker: dockerOf(standIns) }),
  ).rejects.toThrow("(exit code 1): ERROR: no space left on device");
  expect(standIns.lines.at(-1)).toBe(`docker logout ${REGISTRY}`);
});

test.each<[string, Answers, string]>([
  [
    "docker is not running",
    {
      info: {
        code: 1,
        stderr:
          "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n",
      },
    },
    "it is not running",
  ],
  [
    "docker's socket is closed",
    {
      info: { code: 1, stderr: "permission denied while trying to connect\n" },
    },
    "not open to you",
  ],
  ["buildx is missing", { "buildx version": { code: 1 } }, "no buildx plugin"],
  [
    "the login is refused",
    {
      login: {
        code: 1,
        stderr:
          "Error response from daemon: login attempt failed with status: 400 Bad Request\n",
      },
    },
    "refused docker's login: Error response",
  ],
  [
    "the platform cannot be run",
    {
      "buildx build": { code: 1, stderr: "exec /bin/sh: exec format error\n" },
    },
    "docker cannot run linux/arm64",
  ],
])("one sentence when %s", async (_, answers, expected) => {
  appearsAfterPush();
  expect(await messageOf(answers)).toContain(expected);
});

test("one sentence when there is no docker", async () => {
  appearsAfterPush();
  using standIns = new StandIns();
  using folder = folderOf();
  await expect(
    ensureImage(folder.file, { root, docker: dockerOf(standIns) }),
  ).rejects.toThrow("there is no docker on PATH");
});

test.each<[string, () => void, string]>([
  [
    "the repository is missing",
    () =>
      ecr
        .on(DescribeImagesCommand)
        .rejects(new AwsError("RepositoryNotFoundException")),
    "deploy the foundation first (npx cdktf deploy prod-foundation)",
  ],
  [
    "looking is denied",
    () =>
      ecr
        .on(DescribeImagesCommand)
        .rejects(new AwsError("AccessDeniedException")),
    "not allowed to you",
  ],
  [
    "AWS is asked too often",
    () =>
      ecr
        .on(DescribeImagesCommand)
        .rejects(new AwsError("ThrottlingException")),
    "too often",
  ],
  [
    "signing in is denied",
    () =>
      ecr
        .on(GetAuthorizationTokenCommand)
        .rejects(new AwsError("AccessDeniedException")),
    "sign in to the registry",
  ],
  [
    "the registry is another account's",
    () =>
      ecr.on(GetAuthorizationTokenCommand).resolves({
        authorizationData: [
          {
            authorizationToken: "QVdTOng=",
            proxyEndpoint: `https://${REGISTRY.replaceAll("1111", "9999")}`,
          },
        ],
      }),
    "nothing was pushed",
  ],
  [
    "the credentials are another account's",
    () =>
      sts.on(GetCallerIdentityCommand).resolves({ Account: "999999999999" }),
    "are for account 999999999999, but the environment is in 111111111111",
  ],
])("one sentence when %s", async (_, arrange, expected) => {
  appearsAfterPush();
  arrange();
  expect(await messageOf({})).toContain(expected);
});

test("the tag is made from the content and the platform", () => {
  const tag = imageTag(root, "linux/arm64");
  expect(tag).toMatch(/^sha-[0-9a-f]{12}$/);
  expect(imageTag(root, "linux/arm64")).toBe(tag);
  expect(imageTag(root, "linux/amd64")).not.toBe(tag);
});

test.each(imageFiles(join(__dirname, "../..")))(
  "another %s has another tag",
  (path) => {
    const copy = mkdtempSync(join(tmpdir(), "bemi-image-"));
    try {
      cpSync(root, copy, { recursive: true });
      const before = imageTag(copy, "linux/arm64");
      expect(before).toBe(imageTag(root, "linux/arm64"));
      writeFileSync(join(copy, path), "\n", { flag: "a" });
      expect(imageTag(copy, "linux/arm64")).not.toBe(before);
      rmSync(join(copy, path));
      expect(() => imageTag(copy, "linux/arm64")).toThrow(
        `${path} is not there`,
      );
    } finally {
      rmSync(copy, { recursive: true });
    }
  },
);

test("the recipe's copied files are all known", () => {
  expect(imageFiles(join(__dirname, "../.."))).toEqual([
    "worker/Dockerfile",
    "dist/worker.js",
    "dist/worker.js.LEGAL.txt",
    "LICENSE",
  ]);
});
