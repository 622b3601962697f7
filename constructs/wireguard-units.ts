/** Units of systemd on a WireGuard host. */
import { WATCH_COMMAND } from "./wireguard-scripts";
import type { NodeSettings } from "./wireguard-values";

export interface Unit {
  readonly path: string;
  readonly text: string;
}

/**
 * wg-quick runs once and is not restarted: a secret that is not there yet, or a
 * name that does not resolve yet, would be the end of it.
 */
export const RESTART_UNIT: Unit = {
  path: "/etc/systemd/system/wg-quick@wg0.service.d/10-bemi-vpn.conf",
  text: `[Unit]
StartLimitIntervalSec=0
[Service]
TimeoutStartSec=120
Restart=on-failure
RestartSec=15
`,
};

/**
 * The first look counts from when the timer is started, not the machine: the
 * packages may take minutes, and an interface that is about to come up would be
 * restarted by it.
 */
export const WATCH_UNITS: readonly Unit[] = [
  {
    path: "/etc/systemd/system/bemi-vpn-watch.service",
    text: `[Unit]
Description=Watches the WireGuard tunnel and its key
[Service]
Type=oneshot
TimeoutStartSec=300
ExecStart=${WATCH_COMMAND}
`,
  },
  {
    path: "/etc/systemd/system/bemi-vpn-watch.timer",
    text: `[Unit]
Description=Every 20 seconds
[Timer]
OnActiveSec=20
OnUnitActiveSec=20
AccuracySec=1
[Install]
WantedBy=timers.target
`,
  },
];

/** Seconds, and packets: a dead end is noticed after a minute and a half. */
const TCP_KEEPALIVE = "keepalive,keepidle=30,keepintvl=10,keepcnt=6,nodelay";

/**
 * A process per connection, which looks up the database's name: after a
 * failover the next connection finds the new address.
 */
export function proxyUnit(node: NodeSettings): Unit {
  const { nodeAddress, serverAddress, databaseHost, databasePort } = node;
  return {
    path: "/etc/systemd/system/bemi-vpn-proxy.service",
    text: `[Unit]
Description=Carries connections out of the tunnel to the database
StartLimitIntervalSec=0
[Service]
User=nobody
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ExecStart=/usr/bin/socat -t 5 -b 65536 TCP4-LISTEN:${databasePort},bind=${nodeAddress},freebind,reuseaddr,fork,backlog=64,max-children=256,range=${serverAddress}/32,${TCP_KEEPALIVE} TCP4:${databaseHost}:${databasePort},connect-timeout=10,${TCP_KEEPALIVE}
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
`,
  };
}
