/** Public keys, as far as their text alone tells whether they are some. */

/** 32 bytes in base64 as `wg` writes it, and not the key that is all zero. */
export function isWireguardKey(text: string): boolean {
  const bytes = Buffer.from(text, "base64");
  return (
    bytes.length === 32 &&
    bytes.toString("base64") === text &&
    bytes.some((byte) => byte !== 0)
  );
}

/** `type base64`, where the type is also what the decoded key begins with. */
export function isSshPublicKey(text: string): boolean {
  const [type = "", encoded = "", ...more] = text.split(" ");
  if (!KEY_TYPES.test(type) || more.length > 0) return false;
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded) return false;
  const fields = fieldsOf(bytes);
  if (fields?.[0]?.toString("latin1") !== type) return false;
  if (type !== "ssh-ed25519") return fields.length === 3;
  return fields.length === 2 && fields[1]?.length === 32;
}

const KEY_TYPES = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;

/** Each behind its length in four bytes; undefined when they do not fill it. */
function fieldsOf(bytes: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let position = 0;
  while (position < bytes.length) {
    if (position + 4 > bytes.length) return undefined;
    const end = position + 4 + bytes.readUInt32BE(position);
    if (end > bytes.length) return undefined;
    fields.push(bytes.subarray(position + 4, end));
    position = end;
  }
  return fields;
}
