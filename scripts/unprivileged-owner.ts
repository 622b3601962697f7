/** Whom servers run as that a test or a laboratory starts as root. */
import { execFile } from "node:child_process";
import { chown } from "node:fs/promises";
import { promisify } from "node:util";

/** A user for `spawn`; empty: this process's own. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** This process's user, or, of root, one that has no rights. */
export async function unprivilegedOwner(): Promise<Owner> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    const uid = await identity("-u", name);
    const gid = await identity("-g", name);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error(
    'PostgreSQL and the SSH server of tests do not run as root, and there is neither a user "postgres" nor "nobody" to run them as. Create one ("useradd --system postgres") or start this as another user.',
  );
}

export async function own(path: string, { uid, gid }: Owner): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function identity(flag: string, user: string) {
  return await promisify(execFile)("id", [flag, user]).then(
    ({ stdout }) => Number(stdout),
    () => undefined,
  );
}
