/**
 * What a WireGuard host is told, and the check that none of it is anything else
 * than it says: these values are written into a script that root runs.
 */

/** Of both ends. */
export interface WireGuardSettings {
  /** Name of the environment; a dimension of the metrics. */
  readonly environment: string;
  /** Region of the secret, the metrics and the log. */
  readonly region: string;
  /** Name of the secret with `{"privateKey","publicKey"}` of this end. */
  readonly secretName: string;
  /** Log group and stream that exist already. */
  readonly logGroupName: string;
  readonly logStreamName: string;
  /** CloudWatch namespace of the metrics. */
  readonly metricNamespace: string;
  /** Raised to replace the instance; it changes nothing else. */
  readonly generation: number;
  /** Addresses inside the tunnel. */
  readonly serverAddress: string;
  readonly nodeAddress: string;
  /** Public key of the other end, 32 bytes in base64. */
  readonly peerPublicKey: string;
  /**
   * `nat`: packets for the database's subnets go on; `proxy`: connections to the
   * node's address in the tunnel are carried on to the database's name.
   */
  readonly forwarding: "nat" | "proxy";
  /** CIDRs of all subnets of the database. */
  readonly databaseCidrs: readonly string[];
  readonly databasePort: number;
}

/** The end that dials out, in the database's VPC. */
export interface NodeSettings extends WireGuardSettings {
  /** Name, address, or a token of Terraform for an address. */
  readonly serverHost: string;
  readonly serverPort: number;
  /** Name of the database, looked up for every connection of a proxy. */
  readonly databaseHost: string;
  /** CIDRs that may open SSH sessions; none: port 22 is closed. */
  readonly sshCidrs: readonly string[];
}

/** The end that listens, in the worker's VPC. */
export interface ServerSettings extends WireGuardSettings {
  /** UDP port. */
  readonly listenPort: number;
  /** CIDRs that the worker's packets come from. */
  readonly workerCidrs: readonly string[];
}

const IPV4 = /^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(?!$)|$)){4}$/;
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
/** How CDKTF writes a value that only Terraform will know. */
const TOKEN = /^\$\{TfToken\[TOKEN\.\d+\]\}$/;
/** Subnets of a VPC are a /16 to a /28; anything wider would open more. */
const WIDEST_SUBNET = 16;

export function checkNode(settings: NodeSettings): void {
  checkShared(settings);
  check("serverHost", settings.serverHost, [HOST_NAME, TOKEN]);
  checkPort("serverPort", settings.serverPort);
  check("databaseHost", settings.databaseHost, [HOST_NAME]);
  checkCidrs("sshCidrs", settings.sshCidrs, 1);
}

export function checkServer(settings: ServerSettings): void {
  checkShared(settings);
  checkPort("listenPort", settings.listenPort);
  checkCidrs("workerCidrs", settings.workerCidrs, WIDEST_SUBNET);
  if (settings.workerCidrs.length === 0) refuse("workerCidrs", "none", "one");
}

function checkShared(settings: WireGuardSettings): void {
  check("environment", settings.environment, [/^[a-z0-9-]{1,32}$/]);
  check("region", settings.region, [/^[a-z0-9-]{1,32}$/]);
  check("secretName", settings.secretName, [/^[A-Za-z0-9/_+=.@-]{1,512}$/]);
  check("logGroupName", settings.logGroupName, [/^[A-Za-z0-9/_.#-]{1,512}$/]);
  check("logStreamName", settings.logStreamName, [/^[A-Za-z0-9/_.#-]{1,512}$/]);
  check("metricNamespace", settings.metricNamespace, [
    /^[A-Za-z0-9/_.#-]{1,255}$/,
  ]);
  check("serverAddress", settings.serverAddress, [IPV4]);
  check("nodeAddress", settings.nodeAddress, [IPV4]);
  check("peerPublicKey", settings.peerPublicKey, [/^[A-Za-z0-9+/]{43}=$/]);
  check("forwarding", settings.forwarding, [/^(nat|proxy)$/]);
  checkPort("databasePort", settings.databasePort);
  checkCidrs("databaseCidrs", settings.databaseCidrs, WIDEST_SUBNET);
  if (settings.databaseCidrs.length === 0) {
    refuse("databaseCidrs", "none", "at least one");
  }
  if (!Number.isInteger(settings.generation) || settings.generation < 1) {
    refuse("generation", settings.generation, "a whole number from 1");
  }
}

function check(
  name: string,
  value: string,
  allowed: readonly [RegExp, ...RegExp[]],
): void {
  if (allowed.some((one) => one.test(value))) return;
  refuse(name, value, allowed.join(" or "));
}

function checkPort(name: string, port: number): void {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return;
  refuse(name, port, "1 to 65535");
}

function checkCidrs(
  name: string,
  cidrs: readonly string[],
  shortestPrefix: number,
): void {
  for (const cidr of cidrs) {
    const [address = "", length = "", ...rest] = cidr.split("/");
    const prefix = /^\d{1,2}$/.test(length) ? Number(length) : -1;
    if (
      rest.length === 0 &&
      IPV4.test(address) &&
      prefix >= shortestPrefix &&
      prefix <= 32
    ) {
      continue;
    }
    refuse(name, cidr, `an IPv4 network, /${shortestPrefix} to /32`);
  }
}

function refuse(name: string, value: unknown, allowed: string): never {
  throw new Error(
    `${name}: got ${JSON.stringify(value)}, allowed is ${allowed}`,
  );
}
