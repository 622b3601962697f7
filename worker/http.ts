/** `GET /health` and `GET /metrics`, for a load balancer, ECS and Prometheus. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isHealthy } from "./condition";
import { ConfigurationError } from "./errors";
import type { Status } from "./status";

const START_MS = 120_000;
/** A restart is what helps, and streaming alone is not all that there is to do. */
const STALE_PASSWORD =
  "a server refuses the password for new connections; the stream goes on by those that are open, upkeep does not: restart the worker with the new password";

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** @throws ConfigurationError when the address cannot be listened on. */
export async function serveHttp(
  address: { readonly host: string; readonly port: number },
  status: Status,
  metrics: () => Promise<string>,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
    } else if (path === "/health") {
      const health = describeHealth(status);
      response
        .writeHead(health.healthy ? 200 : 503, {
          "content-type": "application/json",
        })
        .end(`${JSON.stringify(health)}\n`);
    } else if (path === "/metrics") {
      metrics().then(
        (text) =>
          response
            .writeHead(200, { "content-type": "text/plain; version=0.0.4" })
            .end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response
        .writeHead(404, { "content-type": "text/plain" })
        .end("GET /health or GET /metrics\n");
    }
  });
  await listen(server, address);
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/**
 * Healthy is: streaming, and nothing in it that a restart could help or
 * somebody should look at; or not yet given time to (two minutes) or failed.
 */
export function describeHealth(
  status: Status,
  nowMs: number = performance.now(),
): {
  readonly healthy: boolean;
  readonly [detail: string]: unknown;
} {
  const { confirmedLsn, slot, counters, startedAt } = status;
  const { judgement, heartbeats } = status;
  const ageMs = Date.now() - startedAt.getTime();
  const isStreaming = status.state === "streaming";
  const isStale = isStreaming && status.isPasswordStale();
  const problem = isStale ? STALE_PASSWORD : status.problem;
  return {
    // A further attempt after a failure is no health yet: with every attempt
    // the answer would change to and fro.
    healthy: isStreaming
      ? !isStale && (!judgement || isHealthy(judgement, nowMs))
      : status.state === "starting" && !problem && ageMs < START_MS,
    state: isStreaming ? (judgement?.condition ?? "streaming") : status.state,
    ...(isStreaming && judgement
      ? { since: new Date(Date.now() - (nowMs - judgement.sinceMs)) }
      : {}),
    ...(problem ? { problem } : {}),
    startedAt,
    confirmedLsn,
    ...(isStreaming ? { lagSeconds: heartbeats.lagSeconds } : {}),
    heartbeatAgeSeconds: heartbeats.ageSeconds,
    slot,
    counters,
  };
}

function listenRemedy(code: string | undefined): string {
  switch (code) {
    case "EADDRINUSE":
      return "set HTTP_PORT to a free port, or 0 for any";
    case "EACCES":
      return "set HTTP_PORT to a port that this user may listen on, above 1023, or 0 for any";
    default:
      return "set HTTP_HOST to an address of this host: 127.0.0.1, or 0.0.0.0 for all of them";
  }
}

async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(
      [
        `HTTP_HOST, HTTP_PORT: cannot listen on ${host}:${port} (${code}); ${listenRemedy(code)}`,
      ],
      { cause: error },
    );
  }
}
