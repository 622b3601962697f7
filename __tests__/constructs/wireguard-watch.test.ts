import {
  renderNodeUserData,
  renderServerUserData,
} from "../../constructs/wireguard-user-data";
import { WireGuardMachine } from "../support/wireguard-machine";
import { nodeSettings, serverSettings } from "../support/wireguard-settings";

/** In the form of keys; not keys. */
const key = (letter: string) => `${letter.repeat(43)}=`;
const [OLD, OLD_PUBLIC] = [key("a"), key("A")];
const [NEW, NEW_PUBLIC] = [key("b"), key("B")];
const PEERS = key("c");

const secretOf = (privateKey: string, publicKey: string) =>
  JSON.stringify({ privateKey, publicKey, createdAt: "2026-01-01T00:00:00Z" });

const START = 1_800_000_000;
let machine: WireGuardMachine;

afterEach(() => machine.remove());

/** A machine whose tunnel has been up for a minute. */
function machineOf(userData: string): WireGuardMachine {
  machine = new WireGuardMachine(userData);
  machine.set(
    "pairs",
    [OLD, OLD_PUBLIC, NEW, NEW_PUBLIC, PEERS, nodeSettings.peerPublicKey].join(
      "\n",
    ),
  );
  machine.set("secret", secretOf(OLD, OLD_PUBLIC));
  machine.set("running", OLD_PUBLIC);
  machine.set("handshake", START - 60);
  machine.set("now", START);
  return machine;
}

const aNode = () =>
  machineOf(renderNodeUserData({ ...nodeSettings, serverHost: "vpn.example" }));

/**
 * Looks once, so many seconds after the start.
 * @param received - bytes through the tunnel so far
 */
function look(seconds: number, received = seconds) {
  machine.set("now", START + seconds);
  machine.set("received", received);
  const { status, output } = machine.run("bemi-vpn-watch");
  const asked = machine.asked();
  const metrics = asked.find((line) => line.includes("put-metric-data")) ?? "";
  const metric = (name: string) =>
    Number(new RegExp(`${name},Unit=\\w+,Value=(-?\\d+)`).exec(metrics)?.[1]);
  return {
    status,
    said: output.trim(),
    age: metric("HandshakeAgeSeconds"),
    keyFault: metric("KeyFault"),
    done: asked.filter((line) => !line.startsWith("aws ")),
    logged: asked.filter((line) => line.startsWith("aws logs")),
  };
}

const RESTART = "systemctl restart wg-quick@wg0.service";
const RESOLVE = `wg set wg0 peer ${nodeSettings.peerPublicKey} endpoint vpn.example:51820`;

describe("a tunnel that is up", () => {
  test("is measured every minute, and spoken of once", () => {
    aNode();
    expect(look(0)).toMatchObject({
      status: 0,
      said: `bemi-vpn: the tunnel is up with the key ${OLD_PUBLIC}`,
      age: 60,
      keyFault: 0,
      done: [],
      logged: [expect.stringContaining("the tunnel is up")],
    });
    expect(look(20)).toMatchObject({ said: "", age: Number.NaN, done: [] });
    expect(look(60)).toMatchObject({ said: "", age: 120, logged: [] });
  });

  test("has the other end's name looked up when nothing comes through it", () => {
    aNode();
    machine.set("handshake", START);
    expect(look(20, 5_000).done).toEqual([]);
    expect(look(40, 5_001).done).toEqual([]);
    expect(look(60, 5_001)).toMatchObject({ done: [RESOLVE], said: "" });
    expect(look(80, 5_002).done).toEqual([]);
  });

  test("stays as it is when its secret goes, which is said and measured", () => {
    aNode();
    look(0);
    machine.set("secret", undefined);
    machine.set("handshake", START + 290);
    const seen = look(300);
    expect(seen).toMatchObject({ keyFault: 1, done: [] });
    expect(seen.said).toContain("ResourceNotFoundException");
    expect(seen.said).toContain("could not be read");
    machine.set("secret", secretOf(OLD, OLD_PUBLIC));
    // Not after five minutes again: a short failure of the API is no alarm.
    expect(look(360)).toMatchObject({ keyFault: 0, done: [] });
  });

  test("keeps its key for as long as the other end takes it", () => {
    aNode();
    look(0);
    machine.set("secret", secretOf(NEW, NEW_PUBLIC));
    machine.set("handshake", START + 290);
    const seen = look(300);
    expect(seen.done).toEqual([]);
    expect(seen.said).toContain(`the secret has ${NEW_PUBLIC}`);
    expect(machine.get("running")).toBe(OLD_PUBLIC);
  });
});

describe("a tunnel that is down", () => {
  test("looks up the other end's name again after three minutes", () => {
    aNode();
    expect(look(120).done).toEqual([]);
    const seen = look(121);
    expect(seen.done).toEqual([RESOLVE]);
    expect(seen.said).toContain("no handshake for more than 3 minutes");
  });

  test("is not said to be up before the first handshake, and takes any key", () => {
    aNode();
    machine.set("handshake", 0);
    const seen = look(0);
    expect(seen).toMatchObject({ done: [RESOLVE], age: 0 });
    expect(seen.said).toContain("no handshake yet");
    expect(seen.said).toContain(`the public key ${OLD_PUBLIC}`);
    machine.set("secret", secretOf(NEW, NEW_PUBLIC));
    expect(look(20).done).toEqual([RESOLVE, "wg set private-key"]);
    machine.set("handshake", START + 30);
    expect(look(40).said).toContain(`up with the key ${NEW_PUBLIC}`);
  });

  test("has no name to look up where it listens", () => {
    machineOf(renderServerUserData(serverSettings));
    expect(look(280, 1).done).toEqual([]);
    expect(look(300, 1).done).toEqual([]);
  });

  test("takes the new key of the secret by itself", () => {
    aNode();
    machine.set("secret", secretOf(NEW, NEW_PUBLIC));
    const seen = look(121);
    expect(seen.done).toEqual([RESOLVE, "wg set private-key"]);
    expect(seen.said).toContain(`took the new key ${NEW_PUBLIC}`);
    expect(machine.get("running")).toBe(NEW_PUBLIC);
  });

  test("is started anew after ten minutes, and every ten minutes", () => {
    aNode();
    look(0);
    expect(look(540).done).toEqual([RESOLVE]);
    expect(look(541).done).toEqual([RESOLVE, RESTART]);
    // A new interface knows of no handshake; the age goes on.
    machine.set("handshake", 0);
    expect(look(601)).toMatchObject({ done: [RESOLVE], age: 661 });
    expect(look(1141).done).toEqual([RESOLVE, RESTART]);
  });

  test("is not started anew without a key at hand", () => {
    aNode();
    machine.set("secret", undefined);
    expect(look(700)).toMatchObject({ done: [RESOLVE], keyFault: 1 });
  });
});

describe("an interface that is not there", () => {
  test("is brought up once there is a key", () => {
    aNode();
    machine.set("running", undefined);
    machine.set("handshake", undefined);
    machine.set("secret", undefined);
    const seen = look(0);
    expect(seen).toMatchObject({ done: [], keyFault: 1, age: 0 });
    expect(seen.said).toContain("wg0 is not up");
    expect(look(60)).toMatchObject({ age: 60, said: "" });
    machine.set("secret", secretOf(OLD, OLD_PUBLIC));
    expect(look(120)).toMatchObject({ done: [RESTART], keyFault: 0 });
  });

  test("without a key gets it, and is not said to be up", () => {
    aNode();
    machine.set("running", "(none)");
    const seen = look(0);
    expect(seen.done).toEqual(["wg set private-key"]);
    expect(seen.said).toBe("bemi-vpn: gave wg0 its key");
    expect(machine.get("running")).toBe(OLD_PUBLIC);
  });

  test("says which key it would need, not an alarm's number", () => {
    aNode();
    machine.set("running", undefined);
    machine.set("secret", secretOf(OLD, NEW_PUBLIC));
    expect(look(0).said).toContain(
      "publicKey in the secret bemi/prod/wireguard/node does not belong to its privateKey",
    );
  });
});

describe("the key", () => {
  test("reaches the kernel and nothing else", () => {
    aNode();
    machine.set("secret", secretOf(NEW, NEW_PUBLIC));
    expect(machine.run("bemi-vpn-key", "set")).toEqual({
      status: 0,
      output: `${NEW_PUBLIC}\n`,
    });
    expect(machine.get("running")).toBe(NEW_PUBLIC);
    expect(machine.asked().join()).not.toContain(NEW);
  });

  test.each<[string, string, string]>([
    ["nothing", "None", "no privateKey"],
    ["no JSON", "-----BEGIN", "no privateKey"],
    ["a key that is none", secretOf("short", OLD_PUBLIC), "no privateKey"],
    ["two halves of two keys", secretOf(OLD, NEW_PUBLIC), "does not belong"],
    [
      "the other end's key",
      secretOf(PEERS, nodeSettings.peerPublicKey),
      "the key of the other end",
    ],
  ])("is refused when the secret has %s", (_, secret, reason) => {
    aNode();
    machine.set("secret", secret);
    const { status, output } = machine.run("bemi-vpn-key", "set");
    expect(status).toBe(1);
    expect(output).toContain(reason);
    expect(machine.asked()).toEqual([]);
    expect(machine.get("running")).toBe(OLD_PUBLIC);
  });

  test.each<[string, string]>([
    [
      "with spaces and lines",
      JSON.stringify({ privateKey: OLD, publicKey: OLD_PUBLIC }, null, 2),
    ],
    ["in another order", `{"publicKey":"${OLD_PUBLIC}","privateKey":"${OLD}"}`],
  ])("is read %s", (_, secret) => {
    aNode();
    machine.set("secret", secret);
    expect(machine.run("bemi-vpn-key").output).toBe(`${OLD_PUBLIC}\n`);
  });

  test("is read where a slash of it is escaped, as JSON may", () => {
    aNode();
    const slashed = `${"a".repeat(21)}/${"a".repeat(21)}=`;
    machine.set("pairs", [slashed, OLD_PUBLIC].join("\n"));
    machine.set("secret", secretOf(slashed, OLD_PUBLIC).replace("/", "\\/"));
    expect(machine.run("bemi-vpn-key").output).toBe(`${OLD_PUBLIC}\n`);
  });
});

test("what is said cannot end the message of the log", () => {
  aNode();
  machine.run("bemi-vpn-say", 'a "quote", a \\ and a $(line)\nbreak');
  const [logged = ""] = machine.asked();
  const events = logged.slice(logged.indexOf("--log-events ") + 13);
  expect(JSON.parse(events)).toEqual([
    {
      timestamp: START * 1000,
      message: "a  quote , a   and a  (line) break",
    },
  ]);
});
