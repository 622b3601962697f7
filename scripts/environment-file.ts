/** The file of an environment: read, and changed in single fields. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { Environment } from "../config/environment";
import { readEnvironment } from "../config/read-environment";
import { isEnvironmentFile } from "../config/read-environments";
import { Failure, UsageError } from "./command-line";
import { type JsonPath, setInJson } from "./json-edit";

export interface FieldChange {
  readonly path: JsonPath;
  readonly value: string;
}

export class EnvironmentFile {
  /** For messages: from the folder in which the command runs. */
  readonly shownPath: string;

  private constructor(readonly path: string) {
    this.shownPath = relative(process.cwd(), path);
  }

  /** @throws UsageError when there is none of that name */
  static of(
    name: string,
    folder = join(process.cwd(), "environments"),
  ): EnvironmentFile {
    const known = namesIn(folder);
    if (known.includes(name)) {
      return new EnvironmentFile(join(folder, `${name}.json`));
    }
    const list =
      known.length > 0 ? `there are ${known.join(", ")}` : "there is none";
    throw new UsageError(
      `no environment ${JSON.stringify(name)}: ${list} in ${folder}; npm run init -- <env> writes a first one`,
    );
  }

  /** @throws EnvironmentError with everything that is wrong in it */
  read(): Environment {
    return readEnvironment(this.shownPath, readFileSync(this.path, "utf8"));
  }

  /**
   * Sets fields and leaves the rest of the text as it is. The new file takes
   * the old one's place at once: whoever reads it has one or the other.
   * @returns whether anything was to be changed
   */
  change(changes: readonly FieldChange[]): boolean {
    // A link stays one: the file behind it is replaced.
    const path = realpathSync(this.path);
    const before = readFileSync(path, "utf8");
    const after = changes.reduce(
      (text, { path: field, value }) => setInJson(text, field, value),
      before,
    );
    if (after === before) return false;
    // Never a file behind that cdktf would refuse.
    readEnvironment(this.shownPath, after);
    replaceFile(path, after);
    return true;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(isEnvironmentFile)
      .map((file) => basename(file, ".json"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function replaceFile(path: string, text: string): void {
  // No .json: cdktf would take it for an environment.
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}.new`,
  );
  try {
    const file = openSync(temporary, "wx", statSync(path).mode & 0o777);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (!code) throw error;
    throw new Failure(
      `${path} could not be written (${code}); it is as it was: make it and its folder writable, then run the same command again`,
    );
  }
}
