/**
 * Writes docs/configuration.md from the table of variables:
 * `npx tsx scripts/render-configuration.ts`. A test fails when it is stale.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type VariableGroup,
  type WorkerVariable,
  workerVariables,
} from "../config/worker-variables";

export const configurationPath = join(__dirname, "../docs/configuration.md");

/** The whole document. */
export function renderConfiguration(): string {
  const sections = groups.map(({ group, title, text, after }) =>
    [`## ${title}`, text, renderTable(group), after].filter(Boolean),
  );
  return `${[introduction, ...sections.flat(), examples].join("\n\n")}\n`;
}

function renderTable(group: VariableGroup): string {
  const rows = Object.entries(workerVariables)
    .filter(([, variable]) => variable.group === group)
    .map(
      ([name, variable]) =>
        `| \`${name}\` | ${renderValues(variable)} | ${renderDefault(variable)} | ${variable.description}${variable.secret ? " *Secret.*" : ""} |`,
    );
  return [
    "| variable | value | default | meaning |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function renderValues(variable: WorkerVariable): string {
  if (variable.type === "choice") {
    return (variable.choices ?? []).map((choice) => `\`${choice}\``).join(", ");
  }
  if (variable.type === "integer") {
    const unit = variable.unit ? `${variable.unit}, ` : "";
    return `${unit}${variable.minimum} to ${variable.maximum}`;
  }
  return typeText[variable.type];
}

const typeText = {
  host: "host name or address",
  name: "name, up to 63 bytes",
  text: "text",
  identifier: "`[a-z0-9_]{1,63}`",
  file: "path",
  certificates: "PEM, or path",
  privateKey: "key, or path",
  hostKey: "public key or fingerprint",
  tablePatterns: "list of patterns",
  columnPatterns: "list of patterns",
} as const;

function renderDefault(variable: WorkerVariable): string {
  if (variable.required) return "required";
  if (variable.default !== undefined) return `\`${variable.default}\``;
  if (variable.defaultText !== undefined) return variable.defaultText;
  return variable.requiredWhen
    ? `none; required when ${variable.requiredWhen}`
    : "none";
}

const introduction = `# Configuration of the worker

The worker is configured by environment variables. This page is made from the table in
\`config/worker-variables.ts\` by \`npx tsx scripts/render-configuration.ts\`; change it there.

An empty variable counts as unset. All problems are reported at once, and the worker exits with 2. Values
of secrets are never printed. A variable that looks like one of these and is none is warned about.`;

const groups: readonly {
  readonly group: VariableGroup;
  readonly title: string;
  readonly text: string;
  readonly after?: string;
}[] = [
  {
    group: "source",
    title: "Source database",
    text: "The database whose changes are recorded.",
    after: `What the modes of \`DB_SSLMODE\` protect against:

| mode | encrypted | authority checked | name checked |
|---|---|---|---|
| \`disable\` | no | no | no |
| \`require\` | yes | only when \`DB_SSLROOTCERT\` is set | no |
| \`verify-ca\` | yes | yes | no |
| \`verify-full\` | yes | yes | yes |

libpq's \`allow\` and \`prefer\` are refused: they give up encryption when the server, or somebody in between,
asks for it. The authorities that are trusted by default are those that Node.js comes with, those in
\`NODE_EXTRA_CA_CERTS\` and of the system (both from Node.js 22.15 on; the image has 24), and Amazon RDS's. With them
\`verify-ca\` is hardly more than \`require\`, since anybody can have a certificate of one of them; the worker warns.

Names are compared as libpq does: with the certificate's subjectAltName, or, where it has no DNS name there, with its
common name; an address also with the addresses there. \`*\` stands for one label. The name is also what the server is
asked for (SNI), unless it is an address.

A client certificate is shown when the server asks for one. With it the password may be left out; a server that asks for
it all the same refuses. Certificates, keys and authorities in files are read anew at every connection, so they can be
replaced under a running worker.`,
  },
  {
    group: "destination",
    title: "Destination database",
    text: `The database that holds the table \`changes\`. With none of these set, that is the source database. With any
of them set, host, database, user and a password are needed. An SSH jump host is not used for it.`,
  },
  {
    group: "tracking",
    title: "Tracking",
    text: "What is recorded. The patterns are explained under [Patterns](#patterns).",
  },
  {
    group: "ssh",
    title: "SSH tunnel",
    text: `With \`SSH_HOST\` set, the source database is reached through that host. None of the others may be set
without it.`,
    after: `\`ssh-keyscan -t ed25519 HOST\` prints the host's key. Compare it with what
\`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` prints on the host itself before you rely on it.`,
  },
  {
    group: "tuning",
    title: "Tuning",
    text: "The defaults suit most databases.",
  },
  {
    group: "operation",
    title: "Operation",
    text: "How the worker is watched, and how long changes are kept.",
  },
];

const examples = `## Patterns

Names are compared as they are in the catalogue, upper and lower case included: \`public.Todo\` is the table
that SQL calls \`"Todo"\`. A \`*\` stands for any number of characters within one part of a name. A part with
dots, commas, quotes, spaces, exclamation marks or a literal star goes in double quotes.

| \`TRACK_TABLES\` is | tracked is |
|---|---|
| \`public.*\` | every table of the schema \`public\` |
| \`public.todo,billing.*\` | the table \`public.todo\`, and every table of \`billing\` |
| \`public.*,!public.session\` | every table of \`public\` except \`session\` |
| \`!public.tmp_*\` | the same as \`public.*,!public.tmp_*\` |
| \`*.*,!audit.*\` | every table of every schema except those of \`audit\` |
| \`"My.Schema"."a,b"\` | the table \`a,b\` of the schema \`My.Schema\` |

An exclusion always wins, wherever it stands. PostgreSQL's own schemas and \`_bemi\` are never tracked.

| \`IGNORE_COLUMNS\` is | ignored is |
|---|---|
| \`public.todo.updated_at\` | that column |
| \`*.updatedAt\` | the column \`updatedAt\` of every table |
| \`todo.position\` | the column \`position\` of the tables \`todo\` of all schemas |
| \`public.*.x\` | the column \`x\` of every table of \`public\` |
| \`*_cached_counter\` | every column whose name ends like that |

An update that changes an ignored column and another one is recorded whole, the ignored column included.`;

if (require.main === module) {
  writeFileSync(configurationPath, renderConfiguration());
  console.log(`wrote ${configurationPath}`);
}
