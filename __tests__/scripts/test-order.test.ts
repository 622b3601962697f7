/** Which test files begin first, where nobody knows how long they take. */
import { existsSync } from "node:fs";
import { join } from "node:path";

interface File {
  readonly path: string;
  readonly context: unknown;
}

interface Sequencer {
  sort(files: readonly File[]): readonly File[];
  /** That it took the last time. */
  time(file: File): number | undefined;
  hasFailed(file: File): boolean;
}

const LongestFirst = jest.requireActual<
  (new () => Sequencer) & { readonly LONGEST: readonly string[] }
>("../../jest.sequencer.js");

const file = (name: string, bytes: number): File => ({
  path: `/kit/__tests__/${name}`,
  context: { hasteFS: { getSize: () => bytes } },
});
const files = [
  file("worker/values.pg.test.ts", 3_000),
  file("worker/outage.pg.test.ts", 1),
  file("scripts/soak.pg.test.ts", 2),
];

function order(timeOf: (file: File) => number | undefined): readonly string[] {
  const sequencer = new LongestFirst();
  sequencer.time = timeOf;
  sequencer.hasFailed = () => false;
  return sequencer.sort([...files]).map(({ path }) => path.slice(15));
}

test.each(LongestFirst.LONGEST)("%s is there", (name) => {
  expect(existsSync(join(__dirname, "..", name))).toBe(true);
});

test("on a clean checkout the longest begin first, however small they are", () => {
  expect(order(() => undefined)).toEqual([
    "worker/outage.pg.test.ts",
    "scripts/soak.pg.test.ts",
    "worker/values.pg.test.ts",
  ]);
});

test("known times go before the list", () => {
  const times = [9, 1, 5];
  const timeOf = ({ path }: File) =>
    times[files.findIndex((each) => each.path === path)];
  expect(order(timeOf)).toEqual([
    "worker/values.pg.test.ts",
    "scripts/soak.pg.test.ts",
    "worker/outage.pg.test.ts",
  ]);
});
