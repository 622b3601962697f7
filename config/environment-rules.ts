/** What has to hold between the fields of an environment file. */
import { checkAccounts } from "./account-rules";
import type { Environment } from "./environment";
import { checkMachines } from "./machine-rules";
import { checkNetworks } from "./network-rules";
import { checkParameters } from "./parameter-rules";
import type { Problem } from "./problem";
import { checkSettings } from "./settings-rules";
import { checkSource } from "./source-rules";

/** All of them; of an environment whose fields are well-formed by themselves. */
export function checkRules(environment: Environment): Problem[] {
  return [
    ...checkStacks(environment),
    ...checkSource(environment),
    ...checkNetworks(environment),
    ...checkMachines(environment),
    ...checkParameters(environment),
    ...checkSettings(environment),
    ...checkAccounts(environment),
  ];
}

/** With a provider's VPN server the worker is the provider's as well. */
function checkStacks({ connection, worker }: Environment): Problem[] {
  const isForeign =
    connection.mode === "vpn" && connection.server.kind === "foreign";
  if (isForeign && worker) {
    return [
      {
        path: "worker",
        message:
          "got one beside a VPN server of somebody else (connection.server.kind foreign), whose worker it is: remove one of them",
      },
    ];
  }
  if (isForeign || worker) return [];
  return [
    {
      path: "worker",
      message:
        "missing: it may be left out only when connection.server.kind is foreign",
    },
  ];
}
