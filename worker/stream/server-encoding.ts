/**
 * The content of logical messages in UTF-8. The server converts names and values
 * to the session's encoding, but the content of a message is bytes to it and
 * comes as it was written, in the encoding of the database.
 */

/** Rewrites a content; one that is not in that encoding is left as it is. */
export type ToUtf8 = (content: Buffer) => Buffer;

/**
 * PostgreSQL's names of encodings and the Encoding Standard's. What Node.js has
 * no decoder for (EUC_TW, MULE_INTERNAL, EUC_JIS_2004) is missing: a content with
 * other than ASCII in it is then recorded as one that cannot be read.
 * https://www.postgresql.org/docs/current/multibyte.html
 */
const LABELS: Readonly<Record<string, string>> = {
  LATIN2: "iso-8859-2",
  LATIN3: "iso-8859-3",
  LATIN4: "iso-8859-4",
  LATIN5: "iso-8859-9",
  LATIN6: "iso-8859-10",
  LATIN7: "iso-8859-13",
  LATIN8: "iso-8859-14",
  LATIN9: "iso-8859-15",
  LATIN10: "iso-8859-16",
  ISO_8859_5: "iso-8859-5",
  ISO_8859_6: "iso-8859-6",
  ISO_8859_7: "iso-8859-7",
  ISO_8859_8: "iso-8859-8",
  KOI8R: "koi8-r",
  KOI8U: "koi8-u",
  WIN866: "ibm866",
  WIN874: "windows-874",
  WIN1250: "windows-1250",
  WIN1251: "windows-1251",
  WIN1253: "windows-1253",
  WIN1254: "windows-1254",
  WIN1255: "windows-1255",
  WIN1256: "windows-1256",
  WIN1257: "windows-1257",
  WIN1258: "windows-1258",
  EUC_CN: "gb2312",
  EUC_JP: "euc-jp",
  EUC_KR: "euc-kr",
};

/** `encoding` is the server's `server_encoding`. */
export function toUtf8From(encoding: string): ToUtf8 {
  // Every byte is a character; the Encoding Standard's "latin1" is another one.
  if (encoding === "LATIN1") {
    return (content) => Buffer.from(content.toString("latin1"));
  }
  if (encoding === "WIN1252") {
    return (content) => Buffer.from(windows1252(content));
  }
  const label = LABELS[encoding];
  if (label === undefined) return (content) => content;
  const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true });
  return (content) => {
    try {
      return Buffer.from(decoder.decode(content));
    } catch {
      return content;
    }
  };
}

/** Of 0x80 to 0x9F, where it differs from LATIN1. */
const WINDOWS_1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

/** Node.js 20's own decoder takes it for LATIN1: € came as U+0080. */
function windows1252(content: Buffer): string {
  return content
    .toString("latin1")
    .replace(
      /[\x80-\x9f]/g,
      (byte) => WINDOWS_1252[byte.charCodeAt(0) - 0x80] ?? byte,
    );
}
