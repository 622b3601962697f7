/**
 * `npm run test:vpn`: the VPN end to end, with the hosts' own user_data in
 * network namespaces. However it ends, it leaves none of them behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Command } from "commander";
import { hasEnded, removeLeftovers } from "./lab/leftovers";
import { missingForLab } from "./lab/requirements";

const program = new Command()
  .name("npm run test:vpn --")
  .description("Tests the VPN between network namespaces, as root on Linux.")
  .argument("[patterns...]", "run only test files whose path matches")
  .option("--json <file>", "write jest's results there")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

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
  const jest = spawn(
    process.execPath,
    [
      createRequire(__filename).resolve("jest/bin/jest"),
      ...patterns,
      ...["--config", "jest.vpn.config.js"],
      ...(results ? ["--json", "--outputFile", results] : []),
    ],
    { cwd: dirname(__dirname), stdio: "inherit" },
  );
  // The terminal sends Ctrl-C to both; what jest leaves is removed below.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => jest.kill("SIGTERM"));
  const [code] = await once(jest, "exit");
  removeLeftovers(hasEnded);
  process.exitCode = code ?? 1;
}
