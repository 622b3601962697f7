/** What a rendered user_data writes to the disk of its host. */

/** Texts by path. */
export function hostFilesOf(userData: string): ReadonlyMap<string, string> {
  const pattern =
    /^install -D -m (?<mode>\d{4}) \/dev\/stdin (?<path>\S+) <<'END_OF_FILE'\n(?<text>[\s\S]*?)^END_OF_FILE$/gm;
  return new Map(
    [...userData.matchAll(pattern)].map(({ groups }) => [
      groups?.path ?? "",
      groups?.text ?? "",
    ]),
  );
}

/** Of one file, which has to be there. */
export function hostFile(userData: string, path: string): string {
  const text = hostFilesOf(userData).get(path);
  if (text === undefined) throw new Error(`${path} is not written`);
  return text;
}
