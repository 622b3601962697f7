/**
 * `npm run keys -- <env>`: the key pairs of an environment's tunnel. Private
 * halves go into Secrets Manager and nowhere else, public halves into the
 * environment's file.
 */
import { Option } from "commander";
import { environmentCommand, runCommand, UsageError } from "./command-line";
import { EnvironmentFile } from "./environment-file";
import {
  ensureKeys,
  keyRun,
  rollBackKeys,
  rotateKeys,
} from "./keys/environment-keys";
import { renderKeyReport } from "./keys/key-report";
import { KEY_NAMES, type KeyName, neededKeys } from "./keys/needed-keys";
import { withProgress } from "./progress";

interface Options {
  readonly rotate?: KeyName | true;
  readonly rollback?: KeyName | true;
}

const command = environmentCommand(
  "keys",
  "Makes the WireGuard or SSH key pairs that an environment needs, after its foundation is deployed. What is there is kept. Private halves are written to Secrets Manager and never shown; public halves go into environments/<env>.json.",
)
  .addOption(
    new Option("--rotate [which]", "make new ones; all of them, or one")
      .choices(KEY_NAMES)
      .conflicts("rollback"),
  )
  .addOption(
    new Option(
      "--rollback [which]",
      "take the ones before back into use",
    ).choices(KEY_NAMES),
  );

runCommand(async () => {
  command.parse();
  const [name = ""] = command.args;
  const { rotate, rollback } = command.opts<Options>();
  const file = EnvironmentFile.of(name);
  const needed = neededKeys(file.read()).map((key) => key.name);
  const which = rotate ?? rollback;
  requireKnown(which, needed);
  if (rollback === true && needed.length > 1) {
    throw new UsageError(
      `say which one to roll back, ${needed.join(" or ")}: the previous value of the other may be long out of use`,
    );
  }
  const run = keyRun(
    file,
    new Date(),
    (key) => typeof which !== "string" || key.name === which,
  );
  const work = rollback ? rollBackKeys : rotate ? rotateKeys : ensureKeys;
  const results = await withProgress(`Keys of ${name}`, () => work(run));
  console.log(renderKeyReport(run.environment, file.shownPath, results));
});

function requireKnown(
  which: KeyName | true | undefined,
  needed: readonly KeyName[],
): void {
  if (which === undefined || which === true || needed.includes(which)) return;
  throw new UsageError(
    needed.length > 0
      ? `this environment has no key ${which}: it has ${needed.join(" and ")}`
      : `this environment has no key ${which}: its connection mode needs none`,
  );
}
