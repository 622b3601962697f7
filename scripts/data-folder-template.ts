/**
 * Copies of a data folder that initdb has made once: initdb takes 0.5 s of
 * processor time, a copy a fifth of that, and a test run makes some hundred.
 * Each copy is a server of its own: the identifier by which the worker tells
 * one server from another is written anew, as pg_resetwal would.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { type Owner, own } from "./unprivileged-owner";

/**
 * The templates' folder, set by whoever removes it; unset: initdb each time. Its
 * name is the password of all servers: a template has one.
 */
export const TEMPLATES_VARIABLE = "BEMI_DATA_FOLDER_TEMPLATES";

export function templatePassword(): string | undefined {
  const folder = process.env[TEMPLATES_VARIABLE];
  return folder ? basename(folder) : undefined;
}

export interface TemplateOptions {
  /** Of templates. */
  readonly folder: string;
  /** What the data folder depends on, as a file's name. */
  readonly name: string;
  readonly owner: Owner;
  /** Makes the data folder, whose parent belongs to the owner. */
  readonly make: (dataFolder: string) => Promise<void>;
}

/** Copies the template, which is made if it is not there. */
export async function copyTemplate(
  dataFolder: string,
  { folder, name, owner, make }: TemplateOptions,
): Promise<void> {
  const template = join(folder, name);
  if (!(await readdir(folder)).includes(name)) {
    const unfinished = await mkdtemp(`${template}-`);
    await own(unfinished, owner);
    await make(join(unfinished, "data"));
    // Another process may have been faster, and its template may be in use.
    await rename(unfinished, template).catch(() =>
      rm(unfinished, { recursive: true }),
    );
  }
  // -a: it stays the owner's, also when root copies it.
  await promisify(execFile)("cp", ["-a", join(template, "data"), dataFolder]);
  await identifyAnew(dataFolder);
}

/** Of a server that was shut down in order and has one file of log. */
async function identifyAnew(dataFolder: string): Promise<void> {
  const identifier = randomBytes(8);
  // A number for people: not negative where somebody takes it for a signed one.
  identifier.writeUInt8(identifier.readUInt8(7) & 0x7f, 7);
  const path = join(dataFolder, "global", "pg_control");
  const control = await readFile(path);
  const end = checksumOffset(control);
  identifier.copy(control, 0);
  control.writeUInt32LE(crc32c(control.subarray(0, end)), end);
  await write(path, control.subarray(0, end + 4), 0);
  const log = join(dataFolder, "pg_wal");
  for (const file of await readdir(log))
    if (/^[0-9A-F]{24}$/.test(file))
      await write(join(log, file), identifier, LOG_IDENTIFIER_OFFSET);
}

/** Behind the header that every page of the log has (xlog_internal.h). */
const LOG_IDENTIFIER_OFFSET = 24;

/** The checksum ends ControlFileData, whose length differs between versions. */
function checksumOffset(control: Buffer): number {
  for (let offset = 200; offset < 512; offset += 4)
    if (control.readUInt32LE(offset) === crc32c(control.subarray(0, offset)))
      return offset;
  throw new Error("pg_control has no checksum where PostgreSQL 13 to 18 do.");
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++)
    value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** Castagnoli's polynomial, as PostgreSQL's checksums of files. */
function crc32c(bytes: Buffer): number {
  let value = 0xffffffff;
  for (const byte of bytes)
    value = (value >>> 8) ^ Number(CRC_TABLE[(value ^ byte) & 0xff]);
  return (value ^ 0xffffffff) >>> 0;
}

async function write(path: string, bytes: Buffer, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.write(bytes, 0, bytes.length, at);
  } finally {
    await file.close();
  }
}
