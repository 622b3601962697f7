/** What was done about the image, and what is to be done next. */
import { basename } from "node:path";
import type { EnvironmentFile } from "../environment-file";
import type { ImageResult } from "./environment-image";

export function renderImageReport(
  result: ImageResult,
  { path, shownPath }: EnvironmentFile,
): string {
  const next = `Next:\n  1. npm run deploy -- ${basename(path, ".json")}`;
  return [
    renderImageResult(result, shownPath),
    ...(result.changed ? [next] : []),
  ].join("\n");
}

/** Without what is to be done next. */
export function renderImageResult(
  { what, tag, digest, changed }: ImageResult,
  shownPath: string,
): string {
  if (what === "not needed") {
    return "This environment has no worker of its own, and needs no image.";
  }
  return [
    `${tag}: ${what === "pushed" ? "built and pushed" : "is there already"}`,
    `  ${digest}${changed ? `, recorded in ${shownPath}` : ""}`,
  ].join("\n");
}
