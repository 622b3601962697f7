/**
 * The documented steps with MikroORM's own command line: the migration that
 * `bemi migration:create` wrote goes up, and down again without a trace.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { traces, withTrigger } from "../support/context-trigger";
import {
  type MikroOrmVersion,
  mikroModules,
  nodeFor,
} from "../support/mikro-application";
import { projectWithPackage } from "../support/mikro-package";
import { createSource } from "../support/source";

const root = join(__dirname, "..", "..");
const ofSeven = join(__dirname, "seven", "node_modules");

const CONFIGURATION = `
import { BemiExtension } from "@bemi-db/mikro-orm";
import { Migrator } from "@mikro-orm/migrations";
import { defineConfig, EntitySchema } from "@mikro-orm/postgresql";

const Todo = new EntitySchema({
  name: "Todo",
  properties: { id: { type: "number", primary: true } },
});

export default defineConfig({
  clientUrl: process.env.DATABASE_URL,
  entities: [Todo],
  extensions: [Migrator, BemiExtension],
  migrations: { path: "src/migrations", snapshot: false },
});
`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

interface CommandLine {
  readonly version: MikroOrmVersion;
  /** As npm links it, in `cli/`. */
  readonly program: string;
  /** What its users have for TypeScript. */
  readonly loader: readonly string[];
}

const COMMAND_LINES: readonly [string, CommandLine][] = [
  [
    "mikro-orm-esm of MikroORM 6",
    {
      version: "6",
      program: "esm",
      loader: [join(ofSeven, "ts-node"), join(ofSeven, "typescript")],
    },
  ],
  [
    "mikro-orm of MikroORM 7",
    {
      version: "7",
      program: "cli.js",
      loader: [join(root, "node_modules", "tsx")],
    },
  ],
];

test.each(COMMAND_LINES)("%s: up and down", async (_name, how) => {
  const project = projectWithPackage([
    mikroModules(how.version),
    ...how.loader,
  ]);
  const dependencies = { "@mikro-orm/cli": "*", tsx: "*" };
  for (const [file, content] of Object.entries({
    "package.json": { type: "module", dependencies },
    "tsconfig.json": {
      compilerOptions: {
        module: "nodenext",
        target: "es2022",
        strict: true,
        skipLibCheck: true,
      },
    },
  }))
    writeFileSync(join(project, file), JSON.stringify(content));
  writeFileSync(join(project, "mikro-orm.config.ts"), CONFIGURATION);

  await using source = await createSource(cluster);
  const { client } = source;
  await client.query("CREATE TABLE todo (id int PRIMARY KEY)");
  const node = nodeFor(how.version);
  const run = (program: string, ...args: string[]): void => {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: project,
      encoding: "utf8",
      env: {
        PATH: `${dirname(node)}:${process.env.PATH}`,
        DATABASE_URL: cluster.url(source.database),
      },
    });
    if (status !== 0) throw new Error(`${args}: ${stdout}${stderr}`);
  };
  const bemi = join(project, "node_modules/@bemi-db/mikro-orm/dist/bemi.cjs");
  const mikroOrm = join(mikroModules(how.version), "cli", how.program);

  run(node, bemi, "migration:create", "--path", "src/migrations");
  run(mikroOrm, "migration:up");
  expect(await withTrigger(client)).toEqual(
    expect.arrayContaining(["public.todo"]),
  );
  expect(await traces(client)).toContain(
    "event trigger _bemi_create_table_trigger",
  );
  run(mikroOrm, "migration:down");
  expect(await traces(client)).toEqual([]);
});
