/**
 * A host's key that is missing or wrong: the host says so in its log and its
 * metrics, and the tunnel comes up by itself when it is put right, within the
 * time of docs/operations.md ("VPN").
 */
import { eventually } from "../../scripts/eventually";
import { writeKeyPair } from "../../scripts/keys/key-pair";
import { newKeyPair, type VpnLab } from "../../scripts/lab/vpn-lab";
import { VpnTrail } from "../support/vpn-trail";
import { filesWith } from "../support/written-files";

const RECOVERY_MS = 120_000;
/** A look, and a minute for the metrics. */
const SAID_TIMEOUT_MS = 90_000;

let trail: VpnTrail;
let lab: VpnLab;
let secret: string;
const other = newKeyPair();

beforeAll(async () => {
  trail = await VpnTrail.start();
  lab = trail.lab;
  trail.write();
  await trail.flows();
  secret = await lab.node.secret();
});

afterAll(async () => {
  await trail?.[Symbol.asyncDispose]();
});

/** Waits for a line that comes after what is done. */
async function says(text: string, done: () => Promise<void>): Promise<void> {
  const before = lab.node.log().length;
  await done();
  await eventually(
    `the node says "${text}"`,
    async () =>
      lab.node
        .log()
        .slice(before)
        .some((line) => line.includes(text)),
    SAID_TIMEOUT_MS,
  );
}

describe("a node that starts without a usable key", () => {
  test("says that there is no secret", async () => {
    await says("ResourceNotFoundException", async () => {
      await lab.node.setSecret(undefined);
      await lab.launch("node");
    });
  });

  test("says that it may not read it", async () => {
    await says("AccessDeniedException", async () => {
      // In this order: a look between the two would find a good key.
      await lab.node.permit(false);
      await lab.node.setSecret(secret);
    });
  });

  test.each<[string, string, string]>([
    ["is empty", "has no privateKey", ""],
    [
      "has halves of two pairs",
      "does not belong to its privateKey",
      writeKeyPair({ ...other, publicKey: newKeyPair().publicKey }),
    ],
    ["is cut short", "has no privateKey", writeKeyPair(other).slice(0, 40)],
  ])("says that it %s", async (_, text, value) => {
    await says(text, async () => {
      await lab.node.setSecret(value);
      await lab.node.permit(true);
    });
  });

  test("goes on by itself when the secret is right", async () => {
    await lab.node.setSecret(secret);
    await trail.flows(RECOVERY_MS);
    expect(lab.node.metric("KeyFault")).toContain(1);
  });
});

describe("a node with a key that the server does not know", () => {
  let metricsBefore = 0;

  test("says which one", async () => {
    await says(
      `it does not know the public key ${other.publicKey}`,
      async () => {
        await lab.node.setSecret(writeKeyPair(other));
        await lab.launch("node");
        metricsBefore = lab.node.metric("KeyFault").length;
      },
    );
  });

  test("has it in the metric of handshakes, not in that of keys", async () => {
    await eventually(
      "a minute without a handshake",
      async () => lab.node.metric("KeyFault").length > metricsBefore + 1,
      SAID_TIMEOUT_MS,
    );
    const [first = 0, second = 0] = lab.node
      .metric("HandshakeAgeSeconds")
      .slice(metricsBefore);
    expect(second - first).toBeGreaterThanOrEqual(50);
    expect(lab.node.metric("KeyFault").slice(metricsBefore)).not.toContain(1);
  });

  test("goes on by itself when the secret is right", async () => {
    await lab.node.setSecret(secret);
    await trail.flows(RECOVERY_MS);
    const { publicKey } = JSON.parse(secret);
    expect(lab.node.log()).toContainEqual(
      expect.stringContaining(`took the new key ${publicKey}`),
    );
  });
});

test("after all of it nothing is lost and nothing doubled", async () => {
  expect(await trail.complete()).toEqual([]);
});

test("no private key is in a log, an argument, a metric or on a disk", () => {
  const keys = [other.privateKey, JSON.parse(secret).privateKey];
  // The arguments of what gets keys are among the files.
  expect(lab.node.calls()).toContainEqual(
    expect.objectContaining({ program: "wg", args: ["pubkey"] }),
  );
  expect(filesWith(lab.folder, [other.publicKey])).not.toEqual([]);
  expect(filesWith(lab.folder, keys)).toEqual([]);
});
