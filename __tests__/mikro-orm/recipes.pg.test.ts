/** The README's recipes, each in a server of its framework, through the worker into `changes`. */
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { freePort } from "../../scripts/free-port";
import {
  type ContextProbe,
  everyChangeHasItsOwnContext,
} from "../support/context-probe";
import { FrameworkProject } from "../support/framework-project";
import { Redis } from "../support/redis";
import { testWith } from "../support/tool";
import { TrackedDatabase } from "../support/tracked-database";

const SCHEMA = `CREATE TABLE note (id int PRIMARY KEY, by varchar(255) NOT NULL, body text);${bemiUpSql()}`;

let cluster: Cluster;
let tracked: TrackedDatabase;
let url: string;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  tracked = await TrackedDatabase.start(cluster, { schema: SCHEMA });
  url = cluster.url(tracked.source.database);
});
afterAll(async () => {
  await tracked?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const http = { path: "/notes", context: { endpoint: "/notes" } };
const graphql = {
  path: "/graphql",
  context: { endpoint: "/graphql", operation: "Add" },
};
const job = {
  path: "/notes",
  context: { endpoint: "/notes", job: expect.any(String) },
};

describe.each(["6", "7"] as const)("MikroORM %s", (version) => {
  let project: FrameworkProject;
  beforeAll(async () => {
    project = await FrameworkProject.prepare(version);
  });

  async function probe(
    application: string,
    how: Pick<ContextProbe, "path" | "context">,
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await using server = project.start(application, url, env);
    const { result: port } = await server.log("serving");
    const name = `${application} ${version}`;
    await everyChangeHasItsOwnContext(tracked, { ...how, name, port });
    // Neither a warning of the package's nor one of the framework's.
    expect(server.stderr).toBe("");
  }

  test("Fastify", () => probe("fastify", http));

  test("Koa", () => probe("koa", http));

  test("NestJS, with what a guard and an interceptor know", () =>
    probe("nest", { ...http, context: { ...http.context, handler: "add" } }));

  test("Apollo Server", () => probe("apollo", graphql));

  test("GraphQL Yoga", () => probe("yoga", graphql));

  test("the package as CommonJS and as an ES module in one process", () =>
    probe("both-formats", http));

  testWith("redis-server", ["--version"])("BullMQ", async () => {
    await using redis = await Redis.start();
    await probe("bullmq", job, { REDIS_PORT: String(redis.port) });
  });

  // It needs Node 22.12.
  if (version === "7") test("pg-boss", () => probe("pg-boss", job));

  if (version === "6")
    test("the applications compile", () => {
      expect(project.compile()).toBe("");
    });

  // Its build takes longest, and takes MikroORM for something external.
  if (version === "6")
    test("Next.js, its route handlers and server actions", async () => {
      await project.buildNext();
      const port = await freePort();
      await using server = project.next(
        ["start", "--hostname", "127.0.0.1", "--port", String(port)],
        { DATABASE_URL: url },
      );
      const page = await eventually("Next.js serves", async () => {
        const response = await fetch(`http://127.0.0.1:${port}/`);
        return response.ok && response.text();
      });
      await everyChangeHasItsOwnContext(tracked, {
        ...http,
        name: "route",
        port,
      });
      await everyChangeHasItsOwnContext(tracked, {
        name: "action",
        port,
        path: "/",
        // Of the form that works without JavaScript.
        formField: /\$ACTION_ID_\w+/.exec(page)?.[0],
        context: { action: "addNote" },
      });
      expect(server.stderr).toBe("");
    });
});
