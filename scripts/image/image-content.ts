/** What goes into the worker's image, and the tag made from it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../command-line";

export const DOCKERFILE = "worker/Dockerfile";

/** That `docker buildx build --platform` takes. */
export type Platform = "linux/arm64" | "linux/amd64";

const HASH_CHARACTERS = 12;

/**
 * The same content has the same tag, whoever builds it and when: an image that
 * is there already need not be built again.
 * @param root - folder that the image is built from
 */
export function imageTag(root: string, platform: Platform): string {
  const hash = createHash("sha256").update(`${platform}\0`);
  for (const path of imageFiles(root)) {
    const content = read(root, path);
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return `sha-${hash.digest("hex").slice(0, HASH_CHARACTERS)}`;
}

/** The recipe, and all that it copies from the folder. */
export function imageFiles(root: string): string[] {
  const copied = read(root, DOCKERFILE)
    .toString()
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => /^\s*(COPY|ADD)\s/i.test(line))
    .flatMap((line) => line.trim().split(/\s+/).slice(1, -1));
  const unknown = copied.filter((path) => /^--|[*?[\]$]/.test(path));
  if (unknown.length > 0) {
    throw new Error(
      `${DOCKERFILE} copies ${unknown.join(", ")}: the tag is made from files that are named one by one`,
    );
  }
  return [DOCKERFILE, ...copied];
}

function read(root: string, path: string): Buffer {
  try {
    return readFileSync(join(root, path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Failure(
      `${path} is not there: build the worker first (npm run build)`,
    );
  }
}
