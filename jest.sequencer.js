const { default: Sequencer } = require("@jest/test-sequencer");

/**
 * What takes longest, first. Jest knows how long each file took the last time;
 * on a clean checkout it goes by their sizes, and the longest are small: the
 * last minutes of a run would then be one file's.
 */
const LONGEST = [
  "vpn/recovery.test.ts",
  "vpn/keys.test.ts",
  "vpn/rotation.test.ts",
  "vpn/server-rotation.test.ts",
  "vpn/soak.test.ts",
  "worker/outage.pg.test.ts",
  "scripts/soak.pg.test.ts",
  "worker/documented-queries.pg.test.ts",
  "worker/memory.pg.test.ts",
  "worker/frozen.pg.test.ts",
  "worker/idle-slot.pg.test.ts",
  "worker/refusals.pg.test.ts",
  "scripts/soak-ssh.pg.test.ts",
  "worker/one-database.pg.test.ts",
  "worker/ssh-faults.pg.test.ts",
  "worker/destination-failover.pg.test.ts",
  "worker/heartbeat.pg.test.ts",
  "worker/takeover.pg.test.ts",
  "worker/acknowledgement.pg.test.ts",
];

class LongestFirst extends Sequencer {
  /** @override */
  sort(tests) {
    const sorted = super.sort(tests);
    const isKnown = ({ duration }) => typeof duration === "number";
    if (sorted.every(isKnown)) return sorted;
    const rank = ({ path }) => {
      const place = LONGEST.findIndex((name) => path.endsWith(`/${name}`));
      return place < 0 ? LONGEST.length : place;
    };
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

module.exports = LongestFirst;
module.exports.LONGEST = LONGEST;
