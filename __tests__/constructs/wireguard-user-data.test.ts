import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  renderNodeUserData,
  renderServerUserData,
} from "../../constructs/wireguard-user-data";
import { hostFile, hostFilesOf } from "../support/host-files";
import { run, testWith } from "../support/tool";
import { nodeSettings, serverSettings } from "../support/wireguard-settings";

const hosts: Record<string, string> = {
  "node, nat": renderNodeUserData(nodeSettings),
  "node, proxy": renderNodeUserData({ ...nodeSettings, forwarding: "proxy" }),
  "node, ssh": renderNodeUserData({
    ...nodeSettings,
    // One within the other, as somebody may write them.
    sshCidrs: ["10.20.0.0/16", "10.20.30.0/24", "192.0.2.7/32"],
    databaseCidrs: ["10.20.30.0/24", "10.20.30.0/24"],
  }),
  "node, name of the server": renderNodeUserData({
    ...nodeSettings,
    serverHost: "vpn.provider.example",
  }),
  "server, nat": renderServerUserData(serverSettings),
  "server, proxy": renderServerUserData({
    ...serverSettings,
    forwarding: "proxy",
  }),
};
const each = Object.entries(hosts);
const NODE = hosts["node, nat"] ?? "";
const PROXY = hosts["node, proxy"] ?? "";
const SERVER = hosts["server, nat"] ?? "";

const RULES = "/etc/bemi-vpn/nft.conf";
const CONFIGURATION = "/etc/wireguard/wg0.conf";
const SYSCTL = "/etc/sysctl.d/99-bemi-vpn.conf";
const KEY = "/usr/local/sbin/bemi-vpn-key";
const WATCH = "/usr/local/sbin/bemi-vpn-watch";

/** The scripts among a host's files, and the whole itself. */
const scripts = each.flatMap(([host, userData]) => [
  [`${host}: user_data`, userData] as const,
  ...[...hostFilesOf(userData)]
    .filter(([, text]) => text.startsWith("#!/bin/bash"))
    .map(([path, text]) => [`${host}: ${path}`, text] as const),
]);

test("every script of a host is looked at", () => {
  expect(scripts).toHaveLength(each.length * 4);
});

test.each(scripts)("bash reads %s", (_, script) => {
  expect(run("bash", ["-n"], script)).toEqual({ status: 0, output: "" });
});

testWith("shellcheck", ["--version"]).each(scripts)(
  "shellcheck has nothing to say about %s",
  (_, script) => {
    expect(run("shellcheck", ["--shell=bash", "-"], script)).toEqual({
      status: 0,
      output: "",
    });
  },
);

testWith("nft", ["-c", "list", "tables"]).each(each)(
  "nft takes the rules of %s",
  (_, userData) => {
    const rules = hostFile(userData, RULES);
    expect(run("nft", ["-c", "-f", "-"], rules)).toEqual({
      status: 0,
      output: "",
    });
  },
);

// In a network of its own; only root makes one.
testWith("unshare", ["-n", "nft", "list", "tables"]).each(each)(
  "the rules of %s replace themselves when they are loaded again",
  (_, userData) => {
    const file = join(mkdtempSync(join(tmpdir(), "rules-")), "nft.conf");
    writeFileSync(file, hostFile(userData, RULES));
    const load = `nft -f ${file}; nft list ruleset`;
    const once = run("unshare", ["-n", "sh", "-ec", load]);
    const twice = run("unshare", [
      "-n",
      "sh",
      "-ec",
      `nft -f ${file}; ${load}`,
    ]);
    expect(once.status).toBe(0);
    expect(twice).toEqual(once);
    expect(once.output.match(/policy drop/g)).toHaveLength(2);
  },
);

testWith("wg-quick", ["--help"]).each(each)(
  "wg-quick takes the configuration of %s",
  (_, userData) => {
    const file = join(mkdtempSync(join(tmpdir(), "wireguard-")), "wg0.conf");
    writeFileSync(file, hostFile(userData, CONFIGURATION), { mode: 0o600 });
    const { status, output } = run("wg-quick", ["strip", file]);
    expect(status).toBe(0);
    expect(output).toContain("[Peer]");
  },
);

test.each(each)("%s leaves Terraform nothing to interpolate", (_, userData) => {
  expect(userData).not.toMatch(/[$%]\{/);
});

test.each(each)("%s is within what EC2 takes", (_, userData) => {
  expect(Buffer.byteLength(userData)).toBeLessThan(16 * 1024);
});

test("the address of a server that Terraform will know is let through", () => {
  const serverHost = `\${${"TfToken[TOKEN.42]"}}`;
  const userData = renderNodeUserData({ ...nodeSettings, serverHost });
  expect(hostFile(userData, CONFIGURATION)).toContain(
    `Endpoint = ${serverHost}:51820`,
  );
});

describe("a value that is more than it says is refused", () => {
  test.each<[string, Partial<typeof nodeSettings>]>([
    ["environment", { environment: "prod; rm -rf /" }],
    ["region", { region: "us-west-1\nreboot" }],
    ["secretName", { secretName: "bemi/$(reboot)" }],
    ["secretName", { secretName: "bemi/prod\n" }],
    ["logGroupName", { logGroupName: "/bemi/`reboot`" }],
    ["logStreamName", { logStreamName: "a b" }],
    ["metricNamespace", { metricNamespace: 'Bemi"' }],
    ["generation", { generation: 1.5 }],
    ["generation", { generation: 0 }],
    ["serverAddress", { serverAddress: "100.64.77.256" }],
    ["nodeAddress", { nodeAddress: "100.64.77.2/32" }],
    ["peerPublicKey", { peerPublicKey: `${nodeSettings.peerPublicKey}\n` }],
    ["peerPublicKey", { peerPublicKey: "short=" }],
    ["databaseCidrs", { databaseCidrs: [] }],
    ["databaseCidrs", { databaseCidrs: ["10.20.30.0/24 }; }"] }],
    ["databaseCidrs", { databaseCidrs: ["0.0.0.0/0"] }],
    ["databaseCidrs", { databaseCidrs: ["10.0.0.0/8"] }],
    ["databasePort", { databasePort: 65_536 }],
    ["databasePort", { databasePort: Number.NaN }],
    ["serverHost", { serverHost: "vpn.example; reboot" }],
    ["serverHost", { serverHost: "$" + '{file("/etc/passwd")}' }],
    ["serverPort", { serverPort: 0 }],
    ["databaseHost", { databaseHost: "db.example,fork" }],
    ["databaseHost", { databaseHost: "$" + "{TfToken[TOKEN.1]}" }],
    ["sshCidrs", { sshCidrs: ["0.0.0.0/0"] }],
    ["sshCidrs", { sshCidrs: ["10.0.0.0"] }],
  ])("%s %j", (name, change) => {
    expect(() => renderNodeUserData({ ...nodeSettings, ...change })).toThrow(
      new RegExp(`^${name}: got `),
    );
  });

  test.each<[string, Partial<typeof serverSettings>]>([
    ["listenPort", { listenPort: 0 }],
    ["workerCidrs", { workerCidrs: [] }],
    ["workerCidrs", { workerCidrs: ["0.0.0.0/0"] }],
  ])("%s %j", (name, change) => {
    expect(() =>
      renderServerUserData({ ...serverSettings, ...change }),
    ).toThrow(new RegExp(`^${name}: got `));
  });
});

describe("the tunnel", () => {
  test.each(each)("of %s has the MTU that passes between VPCs", (_, host) => {
    expect(hostFile(host, CONFIGURATION)).toMatch(/^MTU = 1420$/m);
  });

  test.each(each)("of %s has its key from a command alone", (_, host) => {
    expect(host).not.toMatch(/PrivateKey|private-key (?!\/dev\/stdin)/);
    expect(hostFile(host, CONFIGURATION)).toMatch(
      /^PostUp = \/usr\/local\/sbin\/bemi-vpn-key set$/m,
    );
  });

  test("is kept open through the NAT gateway by the node", () => {
    expect(hostFile(NODE, CONFIGURATION)).toMatch(
      /^PersistentKeepalive = 25$/m,
    );
  });

  test.each<[string, string, string]>([
    ["the node", NODE, "100.64.77.1/32"],
    ["a proxy", PROXY, "100.64.77.1/32"],
    ["the server", SERVER, "100.64.77.2/32, 10.20.30.0/24, 10.20.31.0/24"],
    ["a proxy's server", hosts["server, proxy"] ?? "", "100.64.77.2/32"],
  ])("of %s carries what the other end has, and no more", (_, host, ips) => {
    expect(hostFile(host, CONFIGURATION)).toContain(`AllowedIPs = ${ips}\n`);
  });
});

describe("the firewall", () => {
  /** Rules of one chain, without the line that makes it. */
  function chain(host: string, name: string): string[] {
    const text = new RegExp(`chain ${name} \\{\\n([\\s\\S]*?)\\n {2}\\}`).exec(
      hostFile(host, RULES),
    )?.[1];
    return (text ?? "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line && !line.startsWith("type "));
  }

  test("of the node forwards the database's port in its subnets alone", () => {
    expect(chain(NODE, "forward")).toEqual([
      'iifname != "wg0" oifname != "wg0" drop',
      "ip daddr 169.254.0.0/16 drop",
      "ct state established,related accept",
      'iifname "wg0" ip saddr 100.64.77.1 ip daddr @databases tcp dport 5432 ct state new accept',
    ]);
    expect(chain(NODE, "postrouting")).toEqual([
      "ip saddr 100.64.77.1 ip daddr @databases masquerade",
    ]);
    expect(hostFile(NODE, RULES)).toContain(
      "elements = { 10.20.30.0/24, 10.20.31.0/24 }",
    );
  });

  test("of a proxy forwards nothing, and lets the server in on one port", () => {
    expect(chain(PROXY, "forward")).toEqual([
      'iifname != "wg0" oifname != "wg0" drop',
      "ip daddr 169.254.0.0/16 drop",
      "ct state established,related accept",
    ]);
    expect(chain(PROXY, "postrouting")).toEqual([]);
    expect(chain(PROXY, "input").slice(0, 3)).toEqual([
      'iif "lo" accept',
      'iifname "wg0" ip saddr 100.64.77.1 ip daddr 100.64.77.2 tcp dport 5432 accept',
      'iifname "wg0" drop',
    ]);
    expect(hostFile(PROXY, SYSCTL)).toContain("net.ipv4.ip_forward = 0\n");
  });

  test("of the server sends on what the worker has for the database", () => {
    expect(chain(SERVER, "forward").slice(3)).toEqual([
      'iifname != "wg0" oifname "wg0" ip saddr @workers ip daddr @databases tcp dport 5432 ct state new accept',
    ]);
    expect(chain(SERVER, "postrouting")).toEqual([
      'oifname "wg0" ip saddr @workers ip daddr @databases snat ip to 100.64.77.1',
    ]);
    expect(chain(SERVER, "input")).toContain("udp dport 51820 accept");
  });

  test.each(each)("of %s drops what no rule names", (_, host) => {
    const rules = hostFile(host, RULES);
    for (const hook of ["input", "forward"]) {
      expect(rules).toContain(
        `type filter hook ${hook} priority filter; policy drop;`,
      );
    }
  });

  test.each(each)(
    "of %s lets nothing through the tunnel to itself",
    (_, host) => {
      const input = chain(host, "input");
      const drop = input.indexOf('iifname "wg0" drop');
      const open = input.findIndex((rule) => rule.startsWith("ct state"));
      expect(drop).toBeGreaterThan(0);
      expect(open).toBeGreaterThan(drop);
    },
  );

  test("of the node is open for SSH to those who are named", () => {
    const host = hosts["node, ssh"] ?? "";
    expect(chain(host, "input")).toContain(
      "ip saddr @administrators tcp dport 22 accept",
    );
    expect(hostFile(host, RULES)).toMatch(
      /set administrators \{.* elements = \{ 10\.20\.0\.0\/16, 10\.20\.30\.0\/24, 192\.0\.2\.7\/32 \} \}/,
    );
    expect(hostFile(NODE, RULES)).not.toContain("dport 22");
  });

  test.each(each)("of %s lowers the MSS to the tunnel's", (_, host) => {
    expect(chain(host, "mss")).toEqual([
      "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu",
    ]);
  });

  test.each(each)("of %s is there before anything is forwarded", (_, host) => {
    const loads = host.indexOf(`\nnft -f ${RULES}`);
    expect(loads).toBeGreaterThan(0);
    expect(host.indexOf("\nsysctl -p ")).toBeGreaterThan(loads);
    expect(host.indexOf("\nsystemctl ")).toBeGreaterThan(loads);
    expect(hostFile(host, CONFIGURATION)).toContain(`PreUp = nft -f ${RULES}`);
    expect(host).not.toContain("PostDown");
  });

  test.each(each)(
    "of %s is there before anything is forwarded also at the next start",
    (name, host) => {
      // Read long before wg-quick loads the rules.
      expect(hostFile(host, SYSCTL)).not.toContain("ip_forward = 1");
      const starts = "PreUp = sysctl -qw net.ipv4.ip_forward=1\n";
      const configuration = hostFile(host, CONFIGURATION);
      if (name === "node, proxy") expect(configuration).not.toContain(starts);
      else
        expect(configuration).toContain(`PreUp = nft -f ${RULES}\n${starts}`);
    },
  );
});

describe("a proxy", () => {
  test("looks up the database's name for every connection", () => {
    const unit = hostFile(PROXY, "/etc/systemd/system/bemi-vpn-proxy.service");
    expect(unit).toMatch(
      /^ExecStart=\/usr\/bin\/socat .*TCP4-LISTEN:5432,bind=100\.64\.77\.2,.*fork,.*range=100\.64\.77\.1\/32.* TCP4:shop\.abcdef5ghij\.us-west-1\.rds\.amazonaws\.com:5432,/m,
    );
    expect(unit).toMatch(/^User=nobody$/m);
    expect(PROXY).toMatch(/dnf install -y .*\bsocat\b/);
    expect(PROXY).toMatch(/systemctl enable --now .*bemi-vpn-proxy\.service/);
    expect(NODE).not.toContain("socat");
  });
});

describe("a host", () => {
  test.each(each)("%s tries for ever to get its packages", (_, host) => {
    expect(host).toContain('until "$@"; do');
    expect(host).toMatch(/^patiently dnf install -y wireguard-tools nftables/m);
  });

  test.each(each)("%s watches before the tunnel is up", (_, host) => {
    const watch = host.indexOf("enable --now bemi-vpn-watch.timer");
    expect(watch).toBeGreaterThan(0);
    // A key that is missing fails the start, which must not end the script.
    expect(host.slice(watch)).toMatch(
      /systemctl enable --now wg-quick@wg0\.service \|\| /,
    );
  });

  test.each(each)(
    "%s starts the tunnel again until there is a key",
    (_, host) => {
      expect(
        hostFile(
          host,
          "/etc/systemd/system/wg-quick@wg0.service.d/10-bemi-vpn.conf",
        ),
      ).toMatch(/StartLimitIntervalSec=0[\s\S]*Restart=on-failure/);
    },
  );

  test("the node looks up the server's name anew", () => {
    const named = hosts["node, name of the server"] ?? "";
    expect(hostFile(named, WATCH)).toMatch(
      /wg set wg0 peer \S+ endpoint vpn\.provider\.example:51820/,
    );
    expect(hostFile(SERVER, WATCH)).not.toContain("endpoint");
  });

  test.each<[string, string]>([
    ["node", NODE],
    ["server", SERVER],
  ])("the %s measures under a name of its own", (end, host) => {
    const dimensions = `Dimensions=[{Name=Environment,Value=prod},{Name=Host,Value=${end}}]`;
    expect(hostFile(host, WATCH)).toContain(
      `"MetricName=HandshakeAgeSeconds,Unit=Seconds,Value=$age,${dimensions}"`,
    );
    expect(hostFile(host, WATCH)).toContain(
      `"MetricName=KeyFault,Unit=Count,Value=$fault,${dimensions}"`,
    );
  });

  test("the generation is in the text, and nothing else of it", () => {
    const second = renderNodeUserData({ ...nodeSettings, generation: 2 });
    expect(second).toBe(NODE.replace("generation 1.", "generation 2."));
    expect(second).not.toBe(NODE);
  });

  test.each(each)(
    "%s shows its scripts and its tunnel to root alone",
    (_, host) => {
      const modes = new Map(
        [...host.matchAll(/^install -D -m (\d+) \/dev\/stdin (\S+) /gm)].map(
          ([, mode, path]) => [path, mode],
        ),
      );
      expect(modes.get(CONFIGURATION)).toBe("0600");
      expect(modes.get(KEY)).toBe("0700");
      expect(modes.get(WATCH)).toBe("0700");
    },
  );

  test.each(each)("%s keeps no key of its secret", (_, host) => {
    const script = hostFile(host, KEY);
    expect(script).not.toMatch(/>\s*"?\/|<<</);
    expect(script).toContain("| wg set wg0 private-key /dev/stdin");
  });
});
