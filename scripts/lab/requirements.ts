/** What a lab needs of the machine. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Program, and the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nft: "nftables",
  wg: "wireguard-tools",
  "wg-quick": "wireguard-tools",
  "wireguard-go": "wireguard-go",
  socat: "socat",
  tcpdump: "tcpdump",
  nsenter: "util-linux",
  unshare: "util-linux",
  setpriv: "util-linux",
  sysctl: "procps",
  bash: "bash",
};

/** Why there can be no lab here, in a sentence; undefined: there can. */
export function missingForLab(
  machine: Machine = thisMachine,
): string | undefined {
  if (machine.platform !== "linux") {
    return `The VPN's hosts are network namespaces of Linux, and this is ${machine.platform}.`;
  }
  if (!machine.isRoot) {
    return "The VPN's hosts are network namespaces, which only root may make: run it as root.";
  }
  const missing = Object.entries(PROGRAMS).filter(
    ([program]) => !machine.has(program),
  );
  if (missing.length > 0) {
    const programs = missing.map(([program]) => program).join(", ");
    const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
    return `Not installed: ${programs}; on Debian: apt-get install ${packages}.`;
  }
  if (!machine.hasTun) {
    return "There is no /dev/net/tun, on which WireGuard without the kernel's module rests; a container needs the device and CAP_NET_ADMIN.";
  }
  return undefined;
}

export interface Machine {
  readonly platform: string;
  readonly isRoot: boolean;
  readonly hasTun: boolean;
  has(program: string): boolean;
}

const thisMachine: Machine = {
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  hasTun: isThere("/dev/net/tun", constants.R_OK | constants.W_OK),
  has: (program) =>
    (process.env.PATH ?? "")
      .split(delimiter)
      .some((folder) => isThere(join(folder, program), constants.X_OK)),
};

function isThere(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
