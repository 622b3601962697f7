/** The same promise through a jump host, which breaks as well. */

import { expectSoakToPass } from "../support/soak-run";
import { testWithSshd } from "../support/sshd";

/** Its plan has every kind of fault of a jump host (soak.test.ts). */
const SEED = 17;
const TIMEOUT_MS = 420_000;

testWithSshd(
  `a minute of faults of the jump host and the rest loses, doubles and misplaces no change (seed ${SEED})`,
  () =>
    expectSoakToPass({
      ...{ minutes: 1, seed: SEED, through: "ssh" },
      timeoutMs: TIMEOUT_MS,
    }),
  TIMEOUT_MS,
);
