/**
 * Integration tests that `npm run test:matrix` runs on the newest version
 * alone: path, and why their subject cannot depend on the server's version.
 */
export const ONCE: Readonly<Record<string, string>> = {
  "__tests__/mikro-orm/example.pg.test.ts":
    "whose context the example sends, as below",
  "__tests__/mikro-orm/migration-run.pg.test.ts":
    "MikroORM's command line; what its SQL does is in up-down.pg.test.ts",
  "__tests__/mikro-orm/operations.pg.test.ts":
    "what MikroORM sends; what the server makes of it is in messages.pg.test.ts",
  "__tests__/mikro-orm/recipes.pg.test.ts":
    "whether web frameworks keep a request's context",
  "__tests__/scripts/cluster.pg.test.ts":
    "starts every version by itself, 13 included",
  "__tests__/scripts/soak-ssh.pg.test.ts":
    "its faults are those of a jump host, and it takes a minute and more",
  "__tests__/scripts/soak.pg.test.ts":
    "its faults are those of processes and networks, and it takes minutes",
  "__tests__/scripts/start.pg.test.ts":
    "npm start: terminal, signals and output",
  "__tests__/worker/documented-queries.pg.test.ts":
    "whether each query has an index; five million rows are loaded for it",
  "__tests__/worker/failover.pg.test.ts":
    "its source is of 17, whatever the version of the run",
  "__tests__/worker/frozen.pg.test.ts":
    "what the worker makes of a server that does not answer",
  "__tests__/worker/full-destination.pg.test.ts":
    "the worker's patience while a destination has no room",
  "__tests__/worker/half-open.pg.test.ts":
    "what the worker makes of a network that swallows everything",
  "__tests__/worker/idle-slot.pg.test.ts":
    "its source is of 18, whatever the version of the run",
  "__tests__/worker/late-context.pg.test.ts":
    "what the worker does with rows that it has handed on already",
  "__tests__/worker/latency.pg.test.ts":
    "the worker's own delay from commit to row",
  "__tests__/worker/memory.pg.test.ts":
    "the worker's memory, whatever the server sends",
  "__tests__/worker/moving-name.pg.test.ts":
    "how often and where the worker looks a name up",
  "__tests__/worker/outage.pg.test.ts":
    "the worker's patience while a destination is away or locked",
  "__tests__/worker/password-rotation.pg.test.ts":
    "how often and with which password the worker logs in",
  "__tests__/worker/shards.pg.test.ts":
    "workers beside each other; each has a slot like any other",
  "__tests__/worker/ssh-faults.pg.test.ts":
    "what happens to jump hosts and to the way to them",
  "__tests__/worker/ssh-hardened.pg.test.ts":
    "what the worker makes of a jump host",
  "__tests__/worker/ssh-reconnects.pg.test.ts":
    "what tunnels leave behind in the worker's process",
  "__tests__/worker/tls-trusted.pg.test.ts":
    "what the worker verifies, and when it reads it anew",
  "__tests__/worker/watchdog.pg.test.ts": "what the worker makes of a silence",
  "__tests__/worker/worker-down.pg.test.ts":
    "how the worker reads, reports and works off a backlog",
};
