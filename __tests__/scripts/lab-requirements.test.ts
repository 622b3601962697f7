import { type Machine, missingForLab } from "../../scripts/lab/requirements";

const able: Machine = {
  platform: "linux",
  isRoot: true,
  hasTun: true,
  has: () => true,
};

test.each<[string, Partial<Machine>, string]>([
  ["another system", { platform: "darwin" }, "of Linux, and this is darwin"],
  ["another user", { isRoot: false }, "run it as root"],
  [
    "programs that are missing",
    { has: (name) => name !== "wg" && name !== "wg-quick" && name !== "nft" },
    "Not installed: nft, wg, wg-quick; on Debian: apt-get install nftables wireguard-tools.",
  ],
  ["a container without the device", { hasTun: false }, "/dev/net/tun"],
])("a lab is refused in one sentence on %s", (_, change, reason) => {
  const sentence = missingForLab({ ...able, ...change });
  expect(sentence).toContain(reason);
  expect(sentence?.match(/\.$/gm)).toHaveLength(1);
});

test("a lab is not refused where everything is there", () => {
  expect(missingForLab(able)).toBeUndefined();
});
