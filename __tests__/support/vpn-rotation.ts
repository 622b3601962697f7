/** Keys rotated by the documented steps, while the trail goes on. */
import type { End } from "../../scripts/lab/vpn-lab";
import { FakeSecrets } from "./fake-secrets";
import { VpnKeys } from "./vpn-keys";
import { VpnTrail } from "./vpn-trail";
import { filesWith } from "./written-files";

/** Of docs/operations.md ("VPN"). */
const RECOVERY_MS = 120_000;
const REFUSED_MS = 300_000;
/** The longer one, and what is around it. */
const TIMEOUT_MS = 360_000;

/**
 * Tests of rotations in one lab, one after the other. They wait more than they
 * compute, and a file's tests share a stand-in of Secrets Manager: so each end
 * that has to be waited for is in a file of its own.
 */
export function testRotations(rotations: readonly (End | "both")[]): void {
  let trail: VpnTrail;
  let keys: VpnKeys;
  const secrets = new FakeSecrets();

  beforeAll(async () => {
    trail = await VpnTrail.start();
    keys = await VpnKeys.of(trail.lab, secrets);
    trail.write();
    await trail.flows();
  });

  afterAll(async () => {
    secrets.restore();
    keys?.[Symbol.dispose]();
    await trail?.[Symbol.asyncDispose]();
  });

  /** As the hosts have it now. */
  const publicKey = async (end: End) =>
    (await trail.lab[end].run("wg", "show", "wg0", "public-key")).trim();

  test.each(rotations)(
    "a rotation of %s",
    async (which) => {
      const before = { ...keys.publicKeys };
      await keys.rotate(which === "both" ? undefined : which);
      const replaced = await keys.deploy();
      if (which === "both") expect(replaced).toEqual(["server", "node"]);
      else expect(replaced).toEqual([which === "node" ? "server" : "node"]);
      await trail.flows(which === "both" ? RECOVERY_MS : REFUSED_MS);
      for (const end of ["node", "server"] as const) {
        const isNew = which === "both" || which === end;
        expect(keys.publicKeys[end] !== before[end]).toBe(isNew);
        expect(await publicKey(end)).toBe(keys.publicKeys[end]);
      }
    },
    TIMEOUT_MS,
  );

  test("nothing is lost and nothing doubled", async () => {
    expect(await trail.complete()).toEqual([]);
  });

  test("no private key is in a log, an argument, a metric or on a disk", () => {
    const pairs = secrets.allTexts.map((text) => JSON.parse(text));
    expect(pairs.length).toBeGreaterThan(2);
    const privateKeys = pairs.map((pair) => pair.privateKey);
    expect(filesWith(trail.lab.folder, privateKeys)).toEqual([]);
  });
}
