import { dirname, join } from "node:path";
import { eventually } from "../../scripts/eventually";
import { VpnLab } from "../../scripts/lab/vpn-lab";
import { LoggedProcess } from "../../scripts/logged-process";

const bundle = join(dirname(dirname(__dirname)), "dist", "worker.js");

test("a change arrives through worker, server, node and database", async () => {
  await using lab = await VpnLab.start();
  const source = await lab.database.client();
  await source.query("CREATE TABLE todo (id int PRIMARY KEY, task text)");
  await lab.untilUp();
  const [program = "", ...enter] = lab.enterWorker();
  await using worker = new LoggedProcess(
    program,
    [...enter, process.execPath, bundle],
    { env: { PATH: process.env.PATH, ...lab.workerEnvironment() } },
  );
  await worker.log("streaming", 60_000);
  await source.query("INSERT INTO todo VALUES (1, 'sleep')");
  const destination = await lab.destination.client();
  const row = await eventually("the change", async () => {
    const { rows } = await destination.query(
      "SELECT operation, after FROM changes",
    );
    return rows[0];
  });
  expect(row).toEqual({ operation: "CREATE", after: { id: 1, task: "sleep" } });
  await source.end();
  await destination.end();
});
