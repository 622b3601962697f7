import { setTimeout as sleep } from "node:timers/promises";
import { idOffsetBehind } from "../../worker/destination/move";
import type { Watermark } from "../../worker/destination/watermark";
import { parseLsn } from "../../worker/lsn";
import {
  checkContinuity,
  commonPosition,
} from "../../worker/source/continuity";
import { watchHistory } from "../../worker/source/history-watch";
import {
  parseTimelineHistory,
  type SourceServer,
} from "../../worker/source/identify-source";
import { HistoryProof } from "../../worker/stream/history-proof";

const server: SourceServer = {
  databaseName: "shop",
  databaseOid: 16384,
  systemIdentifier: "7000000000000000001",
  timeline: 1,
  slotName: "bemi",
  flushLsn: parseLsn("0/5000"),
  switches: [],
};
const watermark: Watermark = {
  ...server,
  commitLsn: parseLsn("0/3000"),
  position: parseLsn("0/4000"),
  epoch: 1n,
  idOffset: 0n,
  updatedAt: new Date(0),
};
const promotedAt = (lsn: string, timeline = 1): SourceServer => ({
  ...server,
  timeline: timeline + 1,
  switches: [{ timeline, endLsn: parseLsn(lsn) }],
});

test.each<[string, SourceServer, string]>([
  ["the same server", server, "0/4000"],
  [
    "the same server with nothing since",
    { ...server, flushLsn: watermark.position },
    "0/4000",
  ],
  ["a standby promoted after the position", promotedAt("0/4800"), "0/4000"],
  [
    "a standby promoted between the last commit and the position, where nothing was for the trail",
    promotedAt("0/3500"),
    "0/3500",
  ],
])("the trail goes on with %s", (_name, now, position) => {
  expect(commonPosition(watermark, now)).toBe(parseLsn(position));
});

test.each<[string, SourceServer, string | RegExp]>([
  [
    "another system",
    { ...server, systemIdentifier: "7000000000000000002" },
    "different source",
  ],
  [
    "another database of the same name",
    { ...server, databaseOid: 2 },
    "different source",
  ],
  [
    "a log that ends before the trail",
    { ...server, flushLsn: parseLsn("0/3FFF") },
    "this server's log ends at 0/3FFF",
  ],
  [
    "a standby promoted before the last commit",
    promotedAt("0/2800"),
    "a commit at 0/3000, this server left timeline 1 at 0/2800",
  ],
  [
    "a standby promoted at the last commit's start",
    promotedAt("0/3000"),
    "divergent",
  ],
  [
    "a timeline of another branch",
    promotedAt("0/4800", 2),
    "timeline 1, which is no part of the history",
  ],
  ["an earlier timeline", { ...server, timeline: 0 }, "still on 0"],
])("the trail does not go on with %s", (_name, now, sentence) => {
  expect(() => commonPosition(watermark, now)).toThrow(sentence);
});

test("after a promotion the slot is held against the common position, not against the trail's", () => {
  const slot = { confirmedFlushLsn: "0/3800", restartLsn: "0/3000" };
  checkContinuity(watermark, server, slot);
  expect(() => checkContinuity(watermark, promotedAt("0/3500"), slot)).toThrow(
    "gap: slot",
  );
});

test("a history file says where each timeline ended", () => {
  const content =
    "1\t0/3000148\tno recovery target specified\n\n2\t1/A000000\tbefore 2026-11-20 12:00:00+00\n";
  expect(parseTimelineHistory(content)).toEqual([
    { timeline: 1, endLsn: parseLsn("0/3000148") },
    { timeline: 2, endLsn: parseLsn("1/A000000") },
  ]);
});

test.each<[string, bigint, bigint, bigint]>([
  ["a log that begins anew", 0n, 0x2000n, 0x4001n],
  ["a log of the same length", 0n, 0x4000n, 0x4001n],
  ["a log that is ahead", 0n, 0x9000n, 0x9000n],
  ["a second move", 0x10000n, 0x2000n, 0x14001n],
])(
  "ids go on behind the trail's last with %s",
  (_name, idOffset, begins, first) => {
    const offset = idOffsetBehind({ ...watermark, idOffset }, begins);
    expect(begins + offset).toBe(first);
  },
);

test("a source proves its history by the last stored transaction", () => {
  const proof = new HistoryProof(300n, 300n);
  proof.transaction(200n);
  proof.passed(300n);
  proof.transaction(300n);
  proof.transaction(400n);
  proof.passed(500n);
});

test.each<[string, (proof: HistoryProof) => void]>([
  ["a later transaction", (proof) => proof.transaction(301n)],
  ["a later position", (proof) => proof.passed(301n)],
])("a source that has %s instead is another", (_name, see) => {
  expect(() => see(new HistoryProof(300n, 250n))).toThrow("divergent");
});

test.each([
  ["a slot that stands behind it", 300n, 301n],
  ["a trail that has nothing yet", 0n, 0n],
])("%s asks for no proof", (_name, stored, confirmed) => {
  new HistoryProof(stored, confirmed).transaction(999n);
});

test.each<[string, Partial<SourceServer>, string]>([
  ["another timeline", { timeline: 2 }, "another server now"],
  ["another system", { systemIdentifier: "1" }, "another server now"],
  ["another database", { databaseOid: 1 }, "another server now"],
  ["an earlier log", { flushLsn: 1n }, "the source's log ends at 0/1"],
])("a name that leads to %s ends the session", async (_name, now, sentence) => {
  const answers = [server, undefined, { ...server, ...now }];
  const over = new AbortController();
  const error = await new Promise<Error>((fail) =>
    watchHistory(
      {
        identify: async () => {
          const answer = answers.shift();
          if (!answer) throw new Error("cannot be reached");
          return answer;
        },
        watermark,
        position: () => watermark.position,
        fail,
        intervalMs: 1,
      },
      over.signal,
    ),
  );
  expect(error.message).toContain(sentence);
  over.abort();
});

test("a name that leads to the same server ends nothing, and is looked up until the session ends", async () => {
  const over = new AbortController();
  let looks = 0;
  const fail = jest.fn();
  watchHistory(
    {
      identify: async () => {
        looks++;
        return server;
      },
      watermark,
      position: () => watermark.position,
      fail,
      intervalMs: 1,
    },
    over.signal,
  );
  while (looks < 3) await sleep(1);
  over.abort();
  const last = looks;
  await sleep(20);
  expect(looks).toBe(last);
  expect(fail).not.toHaveBeenCalled();
});
