import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { claim } from "../../worker/destination/claim";
import { Destination } from "../../worker/destination/destination";
import { migrate } from "../../worker/destination/destination-schema";
import {
  createWatermark,
  readWatermark,
} from "../../worker/destination/watermark";

const source = {
  databaseName: "shop",
  databaseOid: 1,
  systemIdentifier: "7000000000000000001",
  timeline: 1,
  slotName: "bemi",
};
const rows = Buffer.from("no row of COPY");
const end = { commitLsn: 0x200n, position: 0x200n };

let cluster: Cluster;
let client: Client;
beforeAll(async () => {
  cluster = await Cluster.start();
  client = await cluster.client();
  await migrate(client, { indexValues: true });
  await createWatermark(client, source, "0/100");
});
afterAll(async () => {
  await client.end();
  await cluster[Symbol.asyncDispose]();
});

test("after a write that failed nothing is written, and the watermark stays", async () => {
  const destination = new Destination(client, await claim(client, source));
  const broken = { rows, rowCount: 1, months: new Set<number>(), end };
  await expect(destination.write(broken)).rejects.toThrow("row field count");
  await client.query("ROLLBACK");
  // Valid by itself: an empty end that would move the watermark.
  const next = { ...broken, rows: Buffer.alloc(0), rowCount: 0 };
  await expect(destination.write(next)).rejects.toThrow("earlier write failed");
  await expect(destination.recordPosition(0x300n)).rejects.toThrow(
    "earlier write failed",
  );
  const watermark = await readWatermark(client, "shop", "bemi");
  expect(watermark).toMatchObject({ commitLsn: 0n, position: 0x100n });
});
