/**
 * The key pairs of an environment: private halves in Secrets Manager alone,
 * public halves there and in the environment's file. Every way begins with
 * looking at all of them, so that nothing is written when one cannot be.
 */
import type { Environment } from "../../config/environment";
import { Failure } from "../command-line";
import type { EnvironmentFile } from "../environment-file";
import { type SecretVersions, StoredSecret } from "../stored-secret";
import { type Decision, decide } from "./key-decision";
import { type KeyPair, readKeyPair, writeKeyPair } from "./key-pair";
import { fieldsOf, type NeededKey, neededKeys } from "./needed-keys";

export interface KeyResult {
  readonly key: NeededKey;
  /** With its comment, where the kind has one. */
  readonly publicKey: string;
  readonly what: "kept" | "recorded" | "made" | "rotated" | "rolled back";
  /** What the file had before, when that was another one. */
  readonly replaced?: string;
}

export interface KeyRun {
  readonly environment: Environment;
  readonly file: EnvironmentFile;
  readonly keys: readonly NeededKey[];
  /** Time of creation of a new pair. */
  readonly now: Date;
}

export function keyRun(
  file: EnvironmentFile,
  now: Date,
  isWanted: (key: NeededKey) => boolean = () => true,
): KeyRun {
  const environment = file.read();
  const keys = neededKeys(environment).filter(isWanted);
  return { environment, file, keys, now };
}

/** Makes what is missing and keeps what is there. */
export async function ensureKeys(run: KeyRun): Promise<KeyResult[]> {
  return await decideAll(run, false);
}

/** Makes new pairs; Secrets Manager keeps the ones before as AWSPREVIOUS. */
export async function rotateKeys(run: KeyRun): Promise<KeyResult[]> {
  return await decideAll(run, true);
}

/** Makes the previous pairs the current ones again, and these the previous. */
export async function rollBackKeys(run: KeyRun): Promise<KeyResult[]> {
  const found = await Promise.all(run.keys.map((key) => previousOf(run, key)));
  const results: KeyResult[] = [];
  for (const { key, secret, pair, versions } of found) {
    await secret.swap(versions);
    results.push(record(run, { key, pair, what: "rolled back" }));
  }
  return results;
}

interface Known {
  readonly key: NeededKey;
  readonly secret: StoredSecret;
  readonly versions: SecretVersions;
  readonly pair: KeyPair | undefined;
  readonly decision: Decision;
}

async function decideAll(run: KeyRun, rotate: boolean): Promise<KeyResult[]> {
  const known = await Promise.all(
    run.keys.map((key) => look(run, { key, rotate })),
  );
  const refused = known.flatMap(({ key, decision }) =>
    decision.action === "refuse"
      ? [`the secret ${key.secretName}: ${decision.reason}`]
      : [],
  );
  if (refused.length > 0) throw new Failure(refused.join("\n"));
  const results: KeyResult[] = [];
  for (const each of known) results.push(await carryOut(run, each));
  return results;
}

async function look(
  run: KeyRun,
  { key, rotate }: { readonly key: NeededKey; readonly rotate: boolean },
): Promise<Known> {
  const secret = secretOf(run, key);
  const versions = await secret.versions();
  const text = versions.current && (await secret.read(versions.current));
  const pair = text === undefined ? undefined : readKeyPair(key.kind, text);
  const decision = decide(
    {
      stored: text === undefined ? "none" : (pair ?? "unreadable"),
      ...(pair ? { storedPublicKey: key.kind.inFile(pair.publicKey) } : {}),
      inFile: key.inFile,
    },
    rotate,
  );
  return { key, secret, versions, pair, decision };
}

async function carryOut(run: KeyRun, known: Known): Promise<KeyResult> {
  const { key, secret, versions, pair, decision } = known;
  if (decision.action !== "make" && pair) {
    const what = decision.action === "keep" ? "kept" : "recorded";
    return record(run, { key, pair, what });
  }
  const made = {
    ...key.kind.generate(`bemi-${run.environment.name}`),
    createdAt: run.now.toISOString(),
  };
  // The secret first: a run that ends here leaves a key that the next run
  // writes into the file; the other way round nobody would have the private half.
  await secret.write(writeKeyPair(made), versions);
  const what = versions.current ? "rotated" : "made";
  return record(run, { key, pair: made, what });
}

function record(
  { file }: KeyRun,
  result: {
    readonly key: NeededKey;
    readonly pair: KeyPair;
    readonly what: KeyResult["what"];
  },
): KeyResult {
  const { key, pair, what } = result;
  const inFile = key.kind.inFile(pair.publicKey);
  if (inFile !== key.inFile) file.change(fieldsOf(key, inFile));
  const replaced = key.inFile === inFile ? undefined : key.inFile;
  return {
    key,
    publicKey: pair.publicKey,
    what,
    ...(replaced === undefined ? {} : { replaced }),
  };
}

async function previousOf(run: KeyRun, key: NeededKey) {
  const secret = secretOf(run, key);
  const { current, previous } = await secret.versions();
  if (!current || !previous) {
    throw new Failure(
      `the secret ${key.secretName} has no previous value to roll back to; nothing was changed`,
    );
  }
  const pair = readKeyPair(key.kind, await secret.read(previous));
  if (!pair) {
    throw new Failure(
      `the previous value of the secret ${key.secretName} is no key pair; nothing was changed: make a new pair with --rotate ${key.name}`,
    );
  }
  return { key, secret, pair, versions: { current, previous } };
}

function secretOf({ environment }: KeyRun, key: NeededKey): StoredSecret {
  return new StoredSecret(key.secretName, {
    account: key.account,
    environment: environment.name,
  });
}
