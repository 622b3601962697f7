import { request } from "node:http";
import { text } from "node:stream/consumers";
import { describeHealth, type HttpServer, serveHttp } from "../../worker/http";
import { prometheusMetrics } from "../../worker/metrics";
import { Status, type WorkerState } from "../../worker/status";
import { parseMetrics } from "../support/health";

let status: Status;
let server: HttpServer;
beforeEach(async () => {
  status = new Status();
  const address = { host: "127.0.0.1", port: 0 };
  server = await serveHttp(address, status, prometheusMetrics(status, "shop"));
});
afterEach(() => server[Symbol.asyncDispose]());

test("an address that cannot be listened on names the variable that helps", async () => {
  const metrics = async () => "";
  const inUse = { host: "127.0.0.1", port: server.port };
  await expect(serveHttp(inUse, status, metrics)).rejects.toThrow(
    /EADDRINUSE.*set HTTP_PORT to a free port/,
  );
  // For documentation, so no host has it.
  const elsewhere = { host: "192.0.2.1", port: 0 };
  await expect(serveHttp(elsewhere, status, metrics)).rejects.toThrow(
    /EADDRNOTAVAIL.*set HTTP_HOST to an address of this host/,
  );
});

function ask(path: string, method = "GET") {
  return new Promise<{
    status: number | undefined;
    type: string | undefined;
    allow: string | undefined;
    body: string;
  }>((resolve, reject) => {
    request({ port: server.port, path, method }, (response) => {
      const { statusCode, headers } = response;
      text(response).then(
        (body) =>
          resolve({
            status: statusCode,
            type: headers["content-type"],
            allow: headers.allow,
            body,
          }),
        reject,
      );
    })
      .on("error", reject)
      .end();
  });
}

test("a stream whose password is stale is unhealthy, and says what helps", () => {
  status.state = "streaming";
  status.isPasswordStale = () => true;
  expect(describeHealth(status)).toMatchObject({
    healthy: false,
    state: "streaming",
    problem: expect.stringContaining("restart the worker"),
  });
});

test.each<[WorkerState, string | undefined, number, number]>([
  ["streaming", undefined, 0, 200],
  ["streaming", undefined, 3_600_000, 200],
  ["starting", undefined, 0, 200],
  ["starting", undefined, 119_000, 200],
  ["starting", undefined, 121_000, 503],
  ["starting", "refuses connections", 0, 503],
  ["waiting", "refuses connections", 0, 503],
  ["stopping", undefined, 0, 503],
])(
  "%s (problem: %s) after %i ms is answered by %i",
  async (state, problem, ageMs, expected) => {
    status.state = state;
    status.problem = problem;
    Object.assign(status, { startedAt: new Date(Date.now() - ageMs) });
    const answer = await ask("/health");
    expect(answer).toMatchObject({
      status: expected,
      type: "application/json",
    });
    const health = JSON.parse(answer.body);
    expect(health).toMatchObject({ state, healthy: expected === 200 });
    expect(health.problem).toBe(problem);
    expect(health).toEqual(JSON.parse(JSON.stringify(describeHealth(status))));
  },
);

test("HEAD has the answer's status and no body, and a query does not matter", async () => {
  status.state = "waiting";
  expect(await ask("/health", "HEAD")).toMatchObject({ status: 503, body: "" });
  expect(await ask("/metrics", "HEAD")).toMatchObject({
    status: 200,
    body: "",
  });
  expect((await ask("/health?deep=1")).status).toBe(503);
});

test("other paths are 404 and name what there is, other methods are 405 and name what may be", async () => {
  expect(await ask("/")).toMatchObject({
    status: 404,
    body: "GET /health or GET /metrics\n",
  });
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
    expect(await ask("/health", method)).toMatchObject({
      status: 405,
      allow: "GET, HEAD",
    });
});

test("totals are counters over all sessions, the rest are gauges of this moment", async () => {
  const counters = { ...status.totals, changes: 5 };
  status.beginSession(counters, () => 7);
  counters.changes = 6;
  status.endSession();
  status.beginSession({ ...status.totals, changes: 4 }, () => 9);
  status.slot = {
    lagBytes: 10,
    retainedBytes: 20,
    safeBytes: undefined,
    walStatus: "reserved",
    at: new Date(),
  };
  const { body } = await ask("/metrics");
  const figures = parseMetrics(body, "shop");
  for (const [name, { type }] of Object.entries(figures))
    expect(type).toBe(name.endsWith("_total") ? "counter" : "gauge");
  expect(figures).toMatchObject({
    bemi_worker_streaming: { value: 1 },
    bemi_worker_changes_total: { value: 10 },
    bemi_worker_waiting_bytes: { value: 9 },
    bemi_slot_lag_bytes: { value: 10 },
    bemi_slot_retained_bytes: { value: 20 },
  });
});

test("what is not known is left out, also after it was known: 0 would be an alarm, or calm", async () => {
  const at = new Date();
  const known = { lagBytes: 1, retainedBytes: 2, walStatus: "reserved", at };
  const value = async (name: string) =>
    parseMetrics((await ask("/metrics")).body, "shop")[name]?.value;
  expect(await value("bemi_slot_safe_bytes")).toBeUndefined();
  status.slot = { ...known, safeBytes: 3 };
  expect(await value("bemi_slot_safe_bytes")).toBe(3);
  status.slot = { ...known, safeBytes: undefined };
  expect(await value("bemi_slot_safe_bytes")).toBeUndefined();
  expect(await value("bemi_slot_lag_bytes")).toBe(1);
  status.endSession();
  expect(await value("bemi_slot_lag_bytes")).toBeUndefined();
});
