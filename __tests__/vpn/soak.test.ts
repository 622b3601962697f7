/** Nothing lost and nothing doubled, through a VPN whose hosts and lines fail. */
import { nameOf } from "../../scripts/soak/fault-action";
import { planFaults } from "../../scripts/soak/plan";
import { expectSoakToPass } from "../support/soak-run";

const SEED = 104;
const TIMEOUT_MS = 480_000;

test("its plan has faults of both hosts and of the lines", () => {
  const names = planFaults(SEED, 60_000, "vpn").map(({ action }) =>
    nameOf(action),
  );
  for (const kind of [
    /of VPN node/,
    /of VPN server/,
    /^all packets dropped in internet/,
    /^packets lost in internet/,
    /^packets over a rate dropped in internet/,
    /^kill worker/,
    /^crash of .*source/,
  ]) {
    expect(names).toContainEqual(expect.stringMatching(kind));
  }
});

test(
  `a minute of faults loses, doubles and misplaces no change (seed ${SEED})`,
  () =>
    expectSoakToPass({
      ...{ minutes: 1, seed: SEED, through: "vpn" },
      timeoutMs: TIMEOUT_MS,
    }),
  TIMEOUT_MS,
);
