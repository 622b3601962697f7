/** A real Redis on loopback that keeps nothing. */
import { tmpdir } from "node:os";
import { eventually } from "../../scripts/eventually";
import { freePort } from "../../scripts/free-port";
import { LoggedProcess } from "../../scripts/logged-process";

export class Redis implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly server: LoggedProcess,
  ) {}

  static async start(): Promise<Redis> {
    const port = await freePort();
    const options = {
      "--bind": "127.0.0.1",
      "--port": String(port),
      "--save": "",
      "--dir": tmpdir(),
    };
    const server = new LoggedProcess(
      "redis-server",
      Object.entries(options).flat(),
      { env: { PATH: process.env.PATH } },
    );
    const redis = new Redis(port, server);
    try {
      await eventually("Redis serves", async () =>
        server.stdout.includes("Ready to accept connections"),
      );
    } catch (error) {
      await redis[Symbol.asyncDispose]();
      throw error;
    }
    return redis;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.kill();
  }
}
