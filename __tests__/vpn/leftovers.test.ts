/** What remains of a lab whose process was killed. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { eventually } from "../../scripts/eventually";
import { hasEnded, removeLeftovers } from "../../scripts/lab/leftovers";
import { VpnLab } from "../../scripts/lab/vpn-lab";

const root = dirname(dirname(__dirname));

const END_TIMEOUT_MS = 20_000;

/** Of the lab's hosts, servers and tools. */
function processesIn(namespaces: readonly string[]): string[] {
  return namespaces.flatMap((name) => {
    const { stdout } = spawnSync("ip", ["netns", "pids", name]);
    return stdout.toString().split("\n").filter(Boolean);
  });
}

const foldersOf = (owner: number, folder: string) =>
  existsSync(folder)
    ? readdirSync(folder).filter((name) =>
        name.startsWith(`bemi-lab-${owner}-`),
      )
    : [];

test("a lab that was killed leaves no process, and the next one removes the rest", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", "-e", KILLED], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const owner = child.pid ?? 0;
  await eventually("a lab", async () => said.includes("started"), 60_000);
  removeLeftovers(hasEnded);
  const namespaces = foldersOf(owner, "/run/netns");
  expect(namespaces).toHaveLength(8);
  // Two servers, three machines, and what runs on them.
  expect(processesIn(namespaces).length).toBeGreaterThan(10);

  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  await eventually(
    "the end of its processes",
    async () => processesIn(namespaces).length === 0,
    // A lab that another process starts would end them as well.
    END_TIMEOUT_MS,
  );
  removeLeftovers(hasEnded);
  expect(foldersOf(owner, "/run/netns")).toEqual([]);
  expect(foldersOf(owner, tmpdir())).toEqual([]);
});

test("a program that is interrupted takes its lab with it", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", "-e", ENDS], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(child, "exit");
  expect(code).toBe(7);
  expect(foldersOf(child.pid ?? 0, "/run/netns")).toEqual([]);
  expect(foldersOf(child.pid ?? 0, tmpdir())).toEqual([]);
});

test("a lab that cannot start leaves nothing", async () => {
  const settings = { wal_level: "no such level" };
  await expect(VpnLab.start({ settings })).rejects.toThrow("wal_level");
  expect(foldersOf(process.pid, "/run/netns")).toEqual([]);
  expect(foldersOf(process.pid, tmpdir())).toEqual([]);
});

const KILLED = `
  require(${JSON.stringify(join(root, "scripts", "lab", "vpn-lab.ts"))})
    .VpnLab.start()
    .then(() => console.log("started"));
  setInterval(() => undefined, 1000);
`;

/** As `npm run soak` does at Ctrl-C. */
const ENDS = `
  require(${JSON.stringify(join(root, "scripts", "lab", "vpn-lab.ts"))})
    .VpnLab.start()
    .then(() => process.exit(7));
`;
