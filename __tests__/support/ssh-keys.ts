/** Key pairs for SSH, as OpenSSH text. */
import { utils } from "ssh2";

/**
 * ssh2 1.17 strips leading zero bytes off Ed25519 keys, and one key in 256 is
 * malformed (mscdex/ssh2#1390): such a one is thrown away.
 */
export function generateSshKey(encryption?: {
  readonly passphrase: string;
  readonly cipher: "aes256-ctr";
  readonly rounds: number;
}): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = utils.generateKeyPairSync("ed25519", encryption);
    const parsed = [
      utils.parseKey(pair.public),
      utils.parseKey(pair.private, encryption?.passphrase),
    ];
    if (!parsed.some((key) => key instanceof Error)) return pair;
  }
}
