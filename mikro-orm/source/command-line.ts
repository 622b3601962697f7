/** The command `bemi`. Exit codes: 0 done, 1 failed, 2 wrong usage. */
import { parseArgs } from "node:util";
import { createMigration } from "./migration-create";

const HELP = `Usage: bemi migration:create [--path <folder>] [--emit ts|js]

Writes a MikroORM migration that creates the triggers which pass the application's
context into PostgreSQL's write-ahead log. One that is there is not overwritten.

  --path <folder>  where the migrations are (default: ./migrations)
  --emit ts|js     language (default: of the migrations there, or of the project)
  --help           this text
`;

const NEXT = `Next:
  1. in mikro-orm.config: extensions: [Migrator, BemiExtension]
     (import { BemiExtension } from "@bemi-db/mikro-orm")
  2. npx mikro-orm-esm migration:up, or npx mikro-orm migration:up
`;

process.exitCode = main();

function main(): number {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        path: { type: "string", default: "./migrations" },
        emit: { type: "string" },
        help: { type: "boolean" },
      },
    });
    if (values.help) return say(HELP, 0);
    const command = positionals.join(" ");
    if (command === "") return refuse(HELP);
    if (command !== "migration:create")
      return refuse(
        `There is no command ${JSON.stringify(command)}.\n\n${HELP}`,
      );
    const { emit } = values;
    if (emit !== undefined && emit !== "ts" && emit !== "js")
      return refuse(`--emit is ts or js, not ${JSON.stringify(emit)}\n`);
    const { path, isNew } = createMigration(values.path, emit, new Date());
    if (!isNew)
      return say(`${path} is there already; nothing was written.\n`, 0);
    return say(`Created ${path}\n\n${NEXT}`, 0);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith("ERR_PARSE_ARGS")) return refuse(`${message}\n`);
    process.stderr.write(`bemi: ${message}\n`);
    return 1;
  }
}

function say(text: string, exitCode: number): number {
  process.stdout.write(text);
  return exitCode;
}

function refuse(text: string): number {
  process.stderr.write(text);
  return 2;
}
