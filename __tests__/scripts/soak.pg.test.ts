/**
 * The promise of the kit, nothing lost and nothing doubled, under what breaks
 * it elsewhere: two minutes of `npm run soak`.
 */
import { expectSoakToPass } from "../support/soak-run";

const MINUTES = 2;
/** Its plan has every kind of fault (soak.test.ts). */
const SEED = 21;
const TIMEOUT_MS = 480_000;

test(
  `${MINUTES} minutes of faults lose, double and misplace no change (seed ${SEED})`,
  () =>
    expectSoakToPass({
      ...{ minutes: MINUTES, seed: SEED, through: "direct" },
      timeoutMs: TIMEOUT_MS,
    }),
  TIMEOUT_MS,
);
