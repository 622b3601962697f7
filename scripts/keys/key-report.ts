/** What was done with the keys, and what is to be done next. Public halves only. */
import type { Environment } from "../../config/environment";
import type { KeyResult } from "./environment-keys";

export function renderKeyReport(
  environment: Environment,
  shownPath: string,
  results: readonly KeyResult[],
): string {
  const isChanged = results.some(({ what }) => what !== "kept");
  return [
    renderKeyResults(environment, shownPath, results),
    ...(isChanged ? nextSteps(environment, results) : []),
  ].join("\n");
}

/** Without what is to be done next. */
export function renderKeyResults(
  { connection }: Environment,
  shownPath: string,
  results: readonly KeyResult[],
): string {
  if (results.length === 0) {
    return `The connection mode ${connection.mode} needs no keys.`;
  }
  return results.map((result) => renderResult(result, shownPath)).join("\n");
}

function renderResult(
  { key, publicKey, what, replaced }: KeyResult,
  shownPath: string,
): string {
  const text = {
    kept: "is there, and kept",
    recorded: `was in Secrets Manager already, and is now in ${shownPath} too`,
    made: `made, and in ${shownPath}`,
    rotated: `made anew, and in ${shownPath}; the one before is kept for --rollback ${key.name}`,
    "rolled back": `the one before is in use again, and in ${shownPath}`,
  }[what];
  const instead = replaced === undefined ? "" : `\n  in place of ${replaced}`;
  return `${key.name}: ${text}\n  ${publicKey}${instead}`;
}

function nextSteps(
  environment: Environment,
  results: readonly KeyResult[],
): string[] {
  const { connection, name } = environment;
  const steps = [
    ...renderHandover(environment, results),
    `npm run deploy -- ${name}`,
  ];
  if (connection.mode === "vpn" && results.some(replacesKeyInUse)) {
    steps.push(
      "a host takes its new key from Secrets Manager within minutes, the other end learns of it by the deployment; until both have it the tunnel rests, and nothing is lost",
    );
  }
  return ["Next:", ...steps.map((step, index) => `  ${index + 1}. ${step}`)];
}

/** To whom else the public halves have to be given, as sentences. */
export function renderHandover(
  environment: Environment,
  results: readonly KeyResult[],
): string[] {
  const { connection } = environment;
  if (results.every(({ what }) => what === "kept")) return [];
  if (connection.mode === "ssh") return jumpHostSteps(environment, results);
  if (connection.mode === "vpn" && connection.server.kind === "foreign") {
    return [
      "give the VPN node's public key above to the provider of the VPN server",
    ];
  }
  return [];
}

function jumpHostSteps(
  { connection, source }: Environment,
  results: readonly KeyResult[],
): string[] {
  if (connection.mode !== "ssh") return [];
  const [result] = results;
  const { user, host } = connection;
  const limits = `restrict,port-forwarding,permitopen="${source.host}:${source.port}"`;
  return [
    `put this line into authorized_keys of ${user} on ${host}:\n     ${limits} ${result?.publicKey}`,
    ...(result && replacesKeyInUse(result)
      ? [
          "restart the worker's task, which reads the key at its start, then remove the old line there",
        ]
      : []),
  ];
}

function replacesKeyInUse({ what }: KeyResult): boolean {
  return what === "rotated" || what === "rolled back";
}
