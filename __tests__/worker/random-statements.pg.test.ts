/**
 * Statements that nobody thought of: DDL and DML drawn at random, over columns
 * of every type, while the worker is killed again and again; then every change
 * and every value of the trail is compared with what triggers saw at the source.
 *
 * Other seeds than the two of every run:
 *
 *     RANDOM_SEEDS=3,4,5 npx jest random-statements
 */
import { Cluster } from "../../scripts/cluster";
import { compare } from "../../scripts/soak/comparison";
import { serverMajor } from "../support/majors";
import { COLUMN_TYPES_SCHEMA, columnTypes } from "../support/random-columns";
import {
  KILL_WORKER,
  randomStatements,
  TABLE_PREFIX,
} from "../support/random-statements";
import { TrackedDatabase } from "../support/tracked-database";
import {
  LEDGER_SCHEMA,
  readMembers,
  readTriggerLedger,
} from "../support/trigger-ledger";

const SEEDS = (process.env.RANDOM_SEEDS ?? "1,2").split(",").map(Number);
const STATEMENTS = 500;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { fsync: "off", max_prepared_transactions: 10 },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

test.each(SEEDS)(
  "statements of seed %i are in the trail as they were committed",
  async (seed) => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `${COLUMN_TYPES_SCHEMA} ${LEDGER_SCHEMA}`,
    });
    const types = columnTypes(serverMajor);
    const statements = randomStatements(seed, { count: STATEMENTS, types });
    let done = 0;
    try {
      for (const statement of statements) {
        done++;
        if (statement === KILL_WORKER) await killWorker(tracked);
        else await tracked.sql(statement);
      }
      await tracked.caughtUp();
      const ledger = await readTriggerLedger(
        tracked.source.client,
        TABLE_PREFIX,
      );
      const changes = await readMembers(
        tracked.destination.client,
        TABLE_PREFIX,
      );
      expect(changes.length).toBeGreaterThan(0);
      expect(compare(ledger, changes)).toEqual([]);
    } catch (error) {
      // Otherwise nothing that is done after this could be, in this session.
      await tracked.sql("ROLLBACK");
      throw new Error(
        `seed ${seed}, ${lastOf(statements.slice(0, done))}\n${error}`,
        { cause: error },
      );
    }
  },
);

async function killWorker(tracked: TrackedDatabase): Promise<void> {
  tracked.worker?.signal("SIGKILL");
  await tracked.worker?.exited;
  await tracked.startWorker();
}

function lastOf(statements: readonly string[]): string {
  const lines = statements
    .slice(-20)
    .map((one) => (one.length > 300 ? `${one.slice(0, 300)}…` : one));
  return `${statements.length} statements, the last of them:\n${lines.join(";\n")}`;
}
