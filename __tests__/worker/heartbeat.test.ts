import { Heartbeats } from "../../worker/stream/heartbeat";

/** Heartbeats by a clock that the test sets. */
function heartbeats() {
  const clock = { ms: 0 };
  return { clock, beats: new Heartbeats(() => clock.ms) };
}

test("the delay is a round trip, from sending to everything before it being stored", () => {
  const { clock, beats } = heartbeats();
  expect(beats.lagSeconds).toBeUndefined();
  const content = Buffer.from(beats.next("bemi"));
  clock.ms = 1_000;
  beats.read(content, 500n);
  beats.reached(499n);
  expect(beats.ageSeconds).toBeUndefined();
  clock.ms = 1_500;
  beats.reached(500n);
  expect(beats.lagSeconds).toBe(1.5);
  clock.ms = 4_500;
  expect(beats.ageSeconds).toBe(3);
  expect(beats.lagSeconds).toBe(1.5);
});

test("one that does not come back makes the delay grow", () => {
  const { clock, beats } = heartbeats();
  beats.read(Buffer.from(beats.next("bemi")), 1n);
  clock.ms = 100;
  beats.reached(1n);
  beats.next("bemi");
  expect(beats.lagSeconds).toBe(0.1);
  clock.ms = 60_100;
  beats.next("bemi");
  expect(beats.lagSeconds).toBe(60);
  expect(beats.waitingSinceMs).toBe(100);
});

test("another worker's, another process's and an invented one count for nothing", () => {
  const { beats } = heartbeats();
  const own = beats.next("bemi");
  const others = [
    heartbeats().beats.next("bemi"),
    own.replace("bemi", "bemi_2"),
    `${own}0`,
    "",
  ];
  for (const other of others) beats.read(Buffer.from(other), 1n);
  beats.reached(10n);
  expect(beats.lagSeconds).toBe(0);
  expect(beats.ageSeconds).toBeUndefined();
});

test("one that was lost in a crash is forgotten when a later one comes back", () => {
  const { clock, beats } = heartbeats();
  beats.next("bemi");
  clock.ms = 30_000;
  beats.read(Buffer.from(beats.next("bemi")), 7n);
  clock.ms = 30_200;
  beats.reached(8n);
  expect(beats.lagSeconds).toBe(0.2);
});

test("a week without any coming back is kept in little, with its beginning", () => {
  const { clock, beats } = heartbeats();
  const sent: string[] = [];
  for (let n = 0; n < 20_000; n++) {
    clock.ms = n * 30_000;
    sent.push(beats.next("bemi"));
  }
  expect(beats.lagSeconds).toBe(19_999 * 30);
  const comesBack = (content: string | undefined) => {
    beats.read(Buffer.from(content ?? ""), 1n);
    beats.reached(1n);
    return beats.ageSeconds !== undefined;
  };
  expect(comesBack(sent[10_000])).toBe(false);
  expect(comesBack(sent.at(-1))).toBe(true);
  expect(beats.waitingSinceMs).toBeUndefined();
});

test("when none can be sent the delay is not known, rather than the last one", () => {
  const { beats } = heartbeats();
  beats.read(Buffer.from(beats.next("bemi")), 1n);
  beats.reached(1n);
  expect(beats.lagSeconds).toBe(0);
  beats.failed(beats.next("bemi"));
  expect(beats.lagSeconds).toBeUndefined();
  expect(beats.failures).toBe(1);
});
