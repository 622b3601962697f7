/** That what the fault suite does to the lines between the two networks is done. */
import { runProgram } from "../../scripts/child-process";
import { Network } from "../../scripts/lab/network";
import { setUpRouters } from "../../scripts/lab/routers";
import { topologyOf } from "../../scripts/lab/topology";
import type { PacketFault } from "../../scripts/soak/fault-action";
import { DIRECTIONS, type Direction } from "../../scripts/soak/fault-proxy";
import { internetOf } from "../../scripts/soak/nft-network";

/** An answer takes microseconds, and a busy machine its time to ask. */
const PATIENCE_SECONDS = 20;
const LOST_SECONDS = 2;

let network: Network;
beforeAll(async () => {
  network = await Network.build(`${process.pid}-packets`, topologyOf("nat"));
  await setUpRouters(network, topologyOf("nat").nodeAddress);
});
afterAll(() => network?.[Symbol.asyncDispose]());

test.each<[string, PacketFault, readonly Direction[]]>([
  ["dropped both ways", { kind: "drop" }, DIRECTIONS],
  ["dropped towards the database", { kind: "drop" }, ["toServer"]],
  ["dropped towards the worker", { kind: "drop" }, ["toClient"]],
  ["lost, each of them", { kind: "loss", perMille: 1000 }, ["toServer"]],
  [
    "over a rate, after a burst that is over at once",
    { kind: "throttle", bytesPerSecond: 1, burstBytes: 1 },
    ["toServer"],
  ],
])(
  "packets that are %s do not arrive until it is over",
  async (_, fault, directions) => {
    const internet = internetOf(network);
    expect(await answers(PATIENCE_SECONDS)).toBe(true);
    await internet.begin(fault, directions);
    expect(await answers(LOST_SECONDS)).toBe(false);
    await internet.end();
    expect(await answers(PATIENCE_SECONDS)).toBe(true);
  },
);

/** Whether the database's router refuses a connection of the worker's. */
async function answers(seconds: number): Promise<boolean> {
  const [program = "", ...args] = [
    ...network.enter("workerRouter"),
    ...["timeout", `${seconds}`, "bash", "-c", "</dev/tcp/203.0.113.10/9"],
  ];
  const { stderr } = await runProgram(program, args);
  return stderr.includes("Connection refused");
}
