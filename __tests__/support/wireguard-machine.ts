/**
 * A machine on which a host's scripts run as they are, but for their paths:
 * `wg`, `aws`, `systemctl` and the clock are small programs that do what files
 * say, and write down what they were asked. It needs neither root nor WireGuard.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostFilesOf } from "./host-files";

const PROGRAMS = {
  date: 'cat "$MACHINE/now"',
  // Not every system has it.
  timeout: 'shift; exec "$@"',
  systemctl: 'echo "systemctl $*" >> "$MACHINE/asked"',
  aws: `case "$1 $2" in
"secretsmanager get-secret-value")
  [ -f "$MACHINE/secret" ] && exec cat "$MACHINE/secret"
  echo "An error occurred (ResourceNotFoundException)" >&2
  exit 254 ;;
*) echo "aws $*" >> "$MACHINE/asked" ;;
esac`,
  // A key pair of this machine: a private key and, after it, its public one.
  wg: `case "$*" in
pubkey) read -r key; grep -F -A1 "$key" "$MACHINE/pairs" | tail -n 1 ;;
"show wg0 public-key") exec cat "$MACHINE/running" 2>/dev/null ;;
"show wg0 latest-handshakes") [ -f "$MACHINE/handshake" ] && printf 'peer\\t%s\\n' "$(cat "$MACHINE/handshake")" ;;
"show wg0 transfer") [ -f "$MACHINE/received" ] && printf 'peer\\t%s\\t0\\n' "$(cat "$MACHINE/received")" ;;
"set wg0 private-key /dev/stdin") read -r key; echo "wg set private-key" >> "$MACHINE/asked"; grep -F -A1 "$key" "$MACHINE/pairs" | tail -n 1 > "$MACHINE/running" ;;
*) echo "wg $*" >> "$MACHINE/asked" ;;
esac`,
};

type Fact = "now" | "secret" | "handshake" | "received" | "running" | "pairs";

export class WireGuardMachine {
  readonly #root = mkdtempSync(join(tmpdir(), "wireguard-machine-"));

  constructor(userData: string) {
    const bin = join(this.#root, "bin");
    mkdirSync(bin);
    for (const [name, text] of Object.entries(PROGRAMS)) {
      writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`, { mode: 0o700 });
    }
    for (const [path, text] of hostFilesOf(userData)) {
      const name = /\/sbin\/(\S+)$/.exec(path)?.[1];
      if (!name) continue;
      const here = text
        .replaceAll("/usr/local/sbin/", `${bin}/`)
        .replaceAll("/run/bemi-vpn", join(this.#root, "state"));
      writeFileSync(join(bin, name), here, { mode: 0o700 });
    }
  }

  /** Undefined: there is none. */
  set(fact: Fact, value: string | number | undefined): void {
    const path = join(this.#root, fact);
    if (value === undefined) rmSync(path, { force: true });
    else writeFileSync(path, `${value}\n`);
  }

  get(fact: Fact): string | undefined {
    const path = join(this.#root, fact);
    return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
  }

  run(
    script: string,
    ...args: string[]
  ): { status: number | null; output: string } {
    const bin = join(this.#root, "bin");
    const { status, stdout, stderr } = spawnSync(join(bin, script), args, {
      encoding: "utf8",
      env: {
        PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
        MACHINE: this.#root,
      },
    });
    return { status, output: `${stdout}${stderr}` };
  }

  /** What was asked of the programs since the last time. */
  asked(): string[] {
    const path = join(this.#root, "asked");
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").trim().split("\n");
    rmSync(path);
    return lines;
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}
