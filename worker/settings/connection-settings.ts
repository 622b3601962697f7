/** The variables of one database connection: DB_* or DEST_DB_*. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Login, type PasswordSource, Refusals } from "../network/login";
import type { ConnectionSettings } from "./settings";
import { codeOf } from "./text-or-file";
import { readTls } from "./tls-settings";
import type { VariableReader } from "./variable-reader";

type Prefix = ConnectionSettings["prefix"];

/** `other`: a connection that is read already. */
export function readConnection(
  reader: VariableReader,
  prefix: Prefix,
  other?: ConnectionSettings,
): ConnectionSettings {
  const host = reader.host(`${prefix}_HOST`);
  const port = reader.integer(`${prefix}_PORT`);
  const database = reader.name(`${prefix}_NAME`);
  const user = reader.name(`${prefix}_USER`);
  const isSameRole =
    other?.host === host && other.port === port && other.user === user;
  const refusals = isSameRole ? other.login.refusals : new Refusals();
  const source = readPassword(reader, prefix);
  return {
    prefix,
    host,
    port,
    database,
    user,
    password: () => source.read(),
    login: new Login(source, refusals),
    tls: readTls(reader, prefix, host),
  };
}

/**
 * The password is behind a function for two reasons: a rotated file is read
 * anew at the next connection, and a function prints nothing.
 */
function readPassword(reader: VariableReader, prefix: Prefix): PasswordSource {
  const fileName = `${prefix}_PASSWORD_FILE` as const;
  const path = reader.optional(fileName);
  if (path === undefined) {
    // Who shows a certificate may not be asked for a password.
    const isNeeded = !reader.isSet(`${prefix}_SSLCERT`);
    const password = isNeeded
      ? reader.text(`${prefix}_PASSWORD`)
      : (reader.optional(`${prefix}_PASSWORD`) ?? "");
    return { mayChange: false, read: async () => password };
  }
  const allowed = "the path of a readable file that holds the password";
  try {
    if (firstLine(readFileSync(path, "utf8")) === "") {
      reader.invalid(fileName, allowed, "the file is empty: fill it");
    }
  } catch (error) {
    reader.invalid(fileName, allowed, `check the path (${codeOf(error)})`);
  }
  return { mayChange: true, read: () => readPasswordFile(fileName, path) };
}

/** Of a worker that runs: whoever writes the file may not be done yet. */
async function readPasswordFile(name: string, path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(
      `${name}: cannot read the password's file (${codeOf(error)})`,
      { cause: error },
    );
  });
  const password = firstLine(text);
  if (password === "") throw new Error(`${name}: the file is empty now`);
  return password;
}

/** Editors and `echo` end a file with a line break that is no password. */
function firstLine(text: string): string {
  return text.replace(/\r?\n$/, "");
}
