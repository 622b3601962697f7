/**
 * Why a text is not a private key that can be used, in words that say what to do.
 * Nothing of the key is in them.
 */
import { types } from "node:util";
import { utils } from "ssh2";

/** @returns undefined when it can be used. */
export function privateKeyProblem(
  text: string,
  passphrase: string | undefined,
): string | undefined {
  if (text.trim() === "") return "it is empty";
  const key = parse(text, passphrase);
  if (!types.isNativeError(key)) {
    return key.isPrivateKey() ? undefined : PUBLIC_HALF;
  }
  if (/^\s*(ssh|ecdsa|sk)-/.test(text)) return PUBLIC_HALF;
  if (/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) {
    return "this is PKCS #8, which OpenSSH itself does not write: `ssh-keygen -p -f FILE` rewrites an RSA or ECDSA key, `ssh-keygen -t ed25519` makes a new one";
  }
  if (text.startsWith("PuTTY-User-Key")) {
    return "this is PuTTY's format: `puttygen FILE -O private-openssh -o NEW` converts it";
  }
  if (/no passphrase given/.test(key.message)) {
    return "it is encrypted: set SSH_PASSPHRASE";
  }
  if (/passphrase\?|unable to authenticate/.test(key.message)) {
    return "SSH_PASSPHRASE does not decrypt it";
  }
  const type = /private key type: (\S+)$/.exec(key.message)?.[1];
  if (type !== undefined) {
    return `a key of the type ${type} cannot be used: \`ssh-keygen -t ed25519\` makes one that can`;
  }
  if (/initialization vector|cipher/i.test(key.message)) {
    return "it is encrypted with a cipher that is not known here: `ssh-keygen -p -Z aes256-ctr -f FILE` changes that";
  }
  return "it is not whole, or its line breaks are lost: copy it again, or give the path of its file";
}

const PUBLIC_HALF =
  "this is the public half; the private one begins with -----BEGIN";

function parse(text: string, passphrase: string | undefined) {
  try {
    return utils.parseKey(text, passphrase);
  } catch (error) {
    return new Error(String(error));
  }
}
