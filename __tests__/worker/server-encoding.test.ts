import { toUtf8From } from "../../worker/stream/server-encoding";

test.each([
  ["UTF8", "c3a9", "é"],
  ["LATIN1", "e9c080", "éÀ\u0080"],
  ["LATIN9", "a4", "€"],
  ["WIN1252", "8081929fe9", "€\x81’Ÿé"],
  ["KOI8R", "cbcc", "кл"],
  ["EUC_JP", "c6fc", "日"],
])(
  "a message of a %s database is read as what was written",
  (encoding, bytes, text) => {
    expect(toUtf8From(encoding)(Buffer.from(bytes, "hex")).toString()).toBe(
      text,
    );
  },
);

test("what is not in the encoding, and one that cannot be read, stay as they are", () => {
  const bytes = Buffer.from("7bff7d", "hex");
  for (const encoding of ["EUC_JP", "EUC_TW", "UTF8"]) {
    expect(toUtf8From(encoding)(bytes)).toBe(bytes);
  }
});
