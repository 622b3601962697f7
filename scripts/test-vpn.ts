/**
 * `npm run test:vpn`: the VPN end to end, with the hosts' own user_data in
 * network namespaces. However it ends, it leaves none of them behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { FOLDER_PREFIX, hasEnded, removeLeftovers } from "./lab/leftovers";
import { missingForLab } from "./lab/requirements";

const program = new Command()
  .name("npm run test:vpn --")
  .description("Tests the VPN between network namespaces, as root on Linux.")
  .argument("[patterns...]", "run only test files whose path matches")
  .option("--json <file>", "write jest's results there")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

/** That jest may take to end when it is interrupted. */
const PATIENCE_MS = 5_000;

void testVpn(program.args, program.opts<{ json?: string }>().json);

async function testVpn(
  patterns: readonly string[],
  results: string | undefined,
): Promise<void> {
  const missing = missingForLab();
  if (missing) {
    console.error(missing);
    process.exitCode = 1;
    return;
  }
  removeLeftovers(hasEnded);
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  // PostgreSQL's user has to get through.
  chmodSync(folder, 0o711);
  const jest = spawn(
    process.execPath,
    [
      createRequire(__filename).resolve("jest/bin/jest"),
      ...patterns,
      ...["--config", "jest.vpn.config.js"],
      ...(results ? ["--json", "--outputFile", results] : []),
    ],
    {
      cwd: dirname(__dirname),
      env: { ...process.env, TMPDIR: folder },
      stdio: "inherit",
    },
  );
  const stop = () => {
    jest.kill("SIGTERM");
    // What it leaves is removed below.
    setTimeout(() => jest.kill("SIGKILL"), PATIENCE_MS).unref();
  };
  // Every time: npm passes on what the terminal has sent already.
  process.on("SIGINT", stop).on("SIGTERM", stop).on("SIGHUP", stop);
  const [code] = await once(jest, "exit");
  removeLeftovers(hasEnded);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exitCode = code ?? 1;
}
