import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

// Below the ports that Linux (32768) and macOS (49152) give to outgoing
// connections: a server that stops and comes back on its port would otherwise
// find it taken now and then by the very client that waits for it.
const lowest = 20_000;
const highest = 32_000;
const attempts = 100;

/** A port of the loopback interface that nothing listens on. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest);
    if (await canListen(port)) return port;
  }
  throw new Error(
    `No free port on 127.0.0.1 between ${lowest} and ${highest} in ${attempts} attempts. Stop what listens there.`,
  );
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
