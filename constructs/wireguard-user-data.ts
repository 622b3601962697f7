/**
 * The user_data of a WireGuard host, whole: what cloud-init runs at the first
 * start of an instance with Amazon Linux 2023. There is no secret in it.
 */
import {
  FIREWALL_FILE,
  KEY_COMMAND,
  renderNodeConfiguration,
  renderServerConfiguration,
} from "./wireguard-configuration";
import { renderNodeFirewall, renderServerFirewall } from "./wireguard-firewall";
import {
  type End,
  renderKeyScript,
  renderSayScript,
  renderWatchScript,
  SAY_COMMAND,
  WATCH_COMMAND,
} from "./wireguard-scripts";
import { proxyUnit, RESTART_UNIT, WATCH_UNITS } from "./wireguard-units";
import {
  checkNode,
  checkServer,
  type NodeSettings,
  type ServerSettings,
  type WireGuardSettings,
} from "./wireguard-values";

/** @throws Error when a value is not what it says it is */
export function renderNodeUserData(node: NodeSettings): string {
  checkNode(node);
  const isProxy = node.forwarding === "proxy";
  return render({
    settings: node,
    end: "node",
    packages: isProxy ? ["socat"] : [],
    isRouter: !isProxy,
    services: isProxy ? ["bemi-vpn-proxy.service"] : [],
    files: [
      { path: FIREWALL_FILE, text: renderNodeFirewall(node) },
      {
        path: CONFIGURATION_FILE,
        text: renderNodeConfiguration(node),
        mode: "0600",
      },
      {
        path: WATCH_COMMAND,
        text: renderWatchScript(
          node,
          "node",
          `${node.serverHost}:${node.serverPort}`,
        ),
        mode: "0700",
      },
      ...(isProxy ? [proxyUnit(node)] : []),
    ],
  });
}

/** @throws Error when a value is not what it says it is */
export function renderServerUserData(server: ServerSettings): string {
  checkServer(server);
  return render({
    settings: server,
    end: "server",
    packages: [],
    isRouter: true,
    services: [],
    files: [
      { path: FIREWALL_FILE, text: renderServerFirewall(server) },
      {
        path: CONFIGURATION_FILE,
        text: renderServerConfiguration(server),
        mode: "0600",
      },
      {
        path: WATCH_COMMAND,
        text: renderWatchScript(server, "server"),
        mode: "0700",
      },
    ],
  });
}

const CONFIGURATION_FILE = "/etc/wireguard/wg0.conf";
const SYSCTL_FILE = "/etc/sysctl.d/99-bemi-vpn.conf";
/** Of EC2, before base64. */
const MAX_BYTES = 16 * 1024;

interface HostFile {
  readonly path: string;
  readonly text: string;
  /** @default "0644" */
  readonly mode?: string;
}

interface Host {
  readonly settings: WireGuardSettings;
  readonly end: End;
  /** Beyond those that every host has. */
  readonly packages: readonly string[];
  /** Packets of others go through it. */
  readonly isRouter: boolean;
  /** Beyond the tunnel and its watch. */
  readonly services: readonly string[];
  readonly files: readonly HostFile[];
}

function render(host: Host): string {
  const { settings, end } = host;
  const files: HostFile[] = [
    { path: SAY_COMMAND, text: renderSayScript(settings), mode: "0700" },
    { path: KEY_COMMAND, text: renderKeyScript(settings), mode: "0700" },
    { path: SYSCTL_FILE, text: renderSysctl(host.isRouter) },
    ...host.files,
    RESTART_UNIT,
    ...WATCH_UNITS,
  ];
  const packages = ["wireguard-tools", "nftables", ...host.packages];
  const services = ["bemi-vpn-watch.timer", ...host.services];
  return checked(`#!/bin/bash
# WireGuard ${end} of ${settings.environment}, generation ${settings.generation}.
set -euo pipefail
umask 077
exec > >(tee -a /var/log/bemi-vpn.log) 2>&1

${files.map(renderFile).join("")}
trap '${SAY_COMMAND} "the set-up failed in line $LINENO: see /var/log/bemi-vpn.log"' ERR

# For ever: a route to the internet that comes late leaves no dead host behind.
patiently() {
  until "$@"; do
    ${SAY_COMMAND} "not yet, trying again: $*"
    sleep 10
  done
}
patiently dnf install -y ${packages.join(" ")}
if ! modprobe wireguard; then
  dnf install -y "kernel*-modules-extra-$(uname -r)" || true
  modprobe wireguard || ${SAY_COMMAND} "the kernel has no WireGuard"
fi

# Before any packet is forwarded.
nft -f ${FIREWALL_FILE}
sysctl -p ${SYSCTL_FILE}

systemctl daemon-reload
systemctl enable --now ${services.join(" ")}
# Without a usable key it does not come up now; systemd and the watch go on trying.
systemctl enable --now wg-quick@wg0.service || ${SAY_COMMAND} "the tunnel is not up yet: see the next lines"
`);
}

/**
 * A redirected packet, or one whose way back differs, is none of ours. A router
 * begins to forward with its tunnel (wg0.conf): these lines are read before the
 * network is up, at every start of the machine, and the rules are not there yet.
 */
function renderSysctl(isRouter: boolean): string {
  return `${isRouter ? "" : "net.ipv4.ip_forward = 0\n"}net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.all.rp_filter = 2
`;
}

function renderFile({ path, text, mode = "0644" }: HostFile): string {
  return `install -D -m ${mode} /dev/stdin ${path} <<'END_OF_FILE'
${text}END_OF_FILE
`;
}

/** What Terraform or EC2 would change or refuse is refused here. */
function checked(userData: string): string {
  const withoutTokens = userData.replace(/\$\{TfToken\[TOKEN\.\d+\]\}/g, "");
  if (/[$%]\{/.test(withoutTokens)) {
    throw new Error("user_data: Terraform would take ${ or %{ for its own");
  }
  const bytes = Buffer.byteLength(userData);
  if (bytes > MAX_BYTES) {
    throw new Error(`user_data: ${bytes} bytes, EC2 takes ${MAX_BYTES}`);
  }
  return userData;
}
