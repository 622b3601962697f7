/** What the fault suite promises of its plan and of its verdict. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { nameOf, type Through } from "../../scripts/soak/fault-action";
import { planFaults } from "../../scripts/soak/plan";
import {
  problems,
  renderReport,
  type SoakReport,
} from "../../scripts/soak/report";

const MINUTES = 60_000;

test("the plan is a function of the seed", () => {
  const plan = planFaults(7, 10 * MINUTES);
  expect(planFaults(7, 10 * MINUTES)).toEqual(plan);
  expect(planFaults(8, 10 * MINUTES)).not.toEqual(plan);
});

test("ten minutes have faults of every kind, to both servers", () => {
  const names = planFaults(1, 10 * MINUTES).map(({ action }) => nameOf(action));
  for (const kind of [
    /^kill worker/,
    /^stop worker/,
    /^crash of source/,
    /^crash of .*destination/,
    /^restart of source/,
    /^restart of .*destination/,
    /^walsender terminated/,
    /^destination session terminated/,
    ...["source", "destination"].flatMap((server) =>
      ["cut", "black hole", "connections"].map(
        (what) => new RegExp(`^${what} to ${server}`),
      ),
    ),
    /^delay/,
    /^throttle/,
    /^stall/,
    /forgotten, one way/,
    /forgotten, both ways/,
  ]) {
    expect(names).toContainEqual(expect.stringMatching(kind));
  }
});

test.each<[Through, RegExp[]]>([
  [
    "ssh",
    [
      /^restart of jump host/,
      /^power failure of jump host/,
      /^pause of jump host/,
      /^cut to jump host/,
      /^connections to jump host forgotten/,
      /^delay to jump host/,
      /^throttle to jump host/,
      /^stall to jump host/,
      /^black hole to jump host/,
      /^black hole to source/,
    ],
  ],
  [
    "vpn",
    [
      /^power failure of VPN node/,
      /^replacement of VPN node/,
      /^power failure of VPN server/,
      /^replacement of VPN server/,
      /^all packets dropped in internet, one way/,
      /^all packets dropped in internet, both ways/,
      /^packets lost in internet/,
      /^packets over a rate dropped in internet/,
      /in worker's network/,
    ],
  ],
])(
  "ten minutes through %s have the tunnel's faults beside those",
  (through, tunnel) => {
    const names = planFaults(1, 10 * MINUTES, through).map(({ action }) =>
      nameOf(action),
    );
    for (const kind of [
      ...tunnel,
      /^kill worker/,
      /^crash of source/,
      /^restart of .*destination/,
      /^walsender terminated/,
    ]) {
      expect(names).toContainEqual(expect.stringMatching(kind));
    }
  },
);

test("the minute through ssh that is a test has each fault of a jump host", () => {
  const names = planFaults(17, MINUTES, "ssh").map(({ action }) =>
    nameOf(action),
  );
  for (const kind of [
    /^restart of jump host/,
    /^power failure of jump host/,
    /^pause of jump host/,
    /^cut to jump host/,
    /^connections to jump host forgotten/,
    /^(delay|throttle|stall) to jump host/,
    /^black hole to jump host/,
  ]) {
    expect(names).toContainEqual(expect.stringMatching(kind));
  }
});

test("the second half lets the worker's process live", () => {
  const late = planFaults(1, 10 * MINUTES).filter(
    ({ atMs, action }) => atMs > 5 * MINUTES && /worker/.test(action.kind),
  );
  expect(late).toEqual([]);
});

const passed: SoakReport = {
  seed: 1,
  through: "direct",
  folder: "/tmp/x",
  transactions: 10,
  faults: new Map([["kill worker", 2]]),
  longestOutageMs: 1_234,
  isSettled: true,
  comparison: { compared: new Map([["CREATE", 12]]), differences: [] },
  worker: {
    lives: [{ rssMiB: [90] }, { rssMiB: [100, 110, 120, 130, 140] }],
    faults: [],
    starts: 2,
    givenUp: 0,
  },
};

test("the report has the figures of the process that lived longest", () => {
  const text = renderReport(passed);
  for (const line of [
    /kill worker\s*│\s*2 /,
    /compared, CREATE\s*│\s*12 /,
    /longest outage of the trail, s\s*│\s*1\.2 /,
    /memory at the start, MiB\s*│\s*100 /,
    /in the middle, MiB\s*│\s*120 /,
    /at the end, MiB\s*│\s*140 /,
  ]) {
    expect(text).toMatch(line);
  }
  expect(problems(passed)).toEqual([]);
});

test.each<[string, Partial<SoakReport>]>([
  ["a difference", { comparison: { compared: new Map(), differences: ["d"] } }],
  ["a trail that stands still", { isSettled: false }],
  [
    "a worker that ended with a fault",
    { worker: { ...passed.worker, faults: ["ended with 3"] } },
  ],
  [
    "a worker that grew",
    { worker: { ...passed.worker, lives: [{ rssMiB: [100, 200, 400] }] } },
  ],
])("%s is a problem", (_, part) => {
  expect(problems({ ...passed, ...part })).toHaveLength(1);
});

const script = join(__dirname, "..", "..", "scripts", "soak.ts");

function run(args: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, ["--import", "tsx", script, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

test("--help names the options", () => {
  const { status, stdout } = run(["--help"]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/--minutes.*--seed.*--through/s);
});

test.each([
  [["--minutes", "0"]],
  [["--seed", "x"]],
  [["--through", "post"]],
  [["--unknown"]],
])("%j is refused with exit code 2", (args) => {
  expect(run(args).status).toBe(2);
});

test("a version that is not supported is refused in one line", () => {
  const { status, stderr } = run([], { POSTGRES_MAJOR: "9" });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^POSTGRES_MAJOR is "9"; .*\n$/);
});
