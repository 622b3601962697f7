/** Settings of both ends of a tunnel, for tests to change. */
import type {
  NodeSettings,
  ServerSettings,
} from "../../constructs/wireguard-values";
import { publicKeys } from "./environments";

const shared = {
  environment: "prod",
  region: "us-west-1",
  metricNamespace: "Bemi/Vpn",
  generation: 1,
  serverAddress: "100.64.77.1",
  nodeAddress: "100.64.77.2",
  forwarding: "nat",
  databaseCidrs: ["10.20.30.0/24", "10.20.31.0/24"],
  databasePort: 5432,
} as const;

export const nodeSettings: NodeSettings = {
  ...shared,
  secretName: "bemi/prod/wireguard/node",
  logGroupName: "/bemi/prod/vpn-node",
  logStreamName: "node",
  peerPublicKey: publicKeys.server,
  serverHost: "198.51.100.7",
  serverPort: 51_820,
  databaseHost: "shop.abcdef5ghij.us-west-1.rds.amazonaws.com",
  sshCidrs: [],
};

export const serverSettings: ServerSettings = {
  ...shared,
  secretName: "bemi/prod/wireguard/server",
  logGroupName: "/bemi/prod/vpn-server",
  logStreamName: "server",
  peerPublicKey: publicKeys.node,
  listenPort: 51_820,
  workerCidrs: ["10.213.0.0/20"],
};
