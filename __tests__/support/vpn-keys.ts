/** `npm run keys` and `npm run deploy` for a lab with NAT, as far as keys go. */
import { keyRun, rotateKeys } from "../../scripts/keys/environment-keys";
import {
  deploy,
  ENVIRONMENT,
  environmentFileOf,
  type LabEnvironment,
} from "../../scripts/lab/environment";
import { SERVER_PUBLIC_ADDRESSES } from "../../scripts/lab/topology";
import type { End, VpnLab } from "../../scripts/lab/vpn-lab";
import { EnvironmentFolder } from "./environment-folder";
import type { FakeSecrets } from "./fake-secrets";

/** In the order of a deployment. */
const ENDS: readonly End[] = ["server", "node"];

export class VpnKeys implements Disposable {
  readonly #folder: EnvironmentFolder;

  private constructor(
    readonly lab: VpnLab,
    readonly secrets: FakeSecrets,
    readonly publicKeys: Record<End, string>,
  ) {
    this.#folder = new EnvironmentFolder(
      ENVIRONMENT,
      environmentFileOf(this.#environment()),
    );
  }

  /** Those that the lab has. */
  static async of(lab: VpnLab, secrets: FakeSecrets): Promise<VpnKeys> {
    const publicKeys = { node: "", server: "" };
    for (const end of ENDS) {
      const name = lab.deployment.secretNames[end];
      const text = await lab[end].secret();
      secrets.add(name);
      secrets.set(name, text);
      publicKeys[end] = JSON.parse(text).publicKey;
    }
    return new VpnKeys(lab, secrets, publicKeys);
  }

  /** `npm run keys -- lab --rotate [which]` */
  async rotate(which?: End): Promise<void> {
    const run = keyRun(
      this.#folder.file,
      new Date(),
      ({ name }) => which === undefined || name === which,
    );
    for (const { key, publicKey } of await rotateKeys(run)) {
      const end = key.name === "node" ? "node" : "server";
      this.publicKeys[end] = publicKey;
      await this.lab[end].setSecret(this.secrets.current(key.secretName));
    }
  }

  /** `npm run deploy -- lab` @returns the hosts that it has replaced */
  async deploy(): Promise<End[]> {
    const { nodeUserData, serverUserData } = deploy(this.#environment());
    const userData = { node: nodeUserData, server: serverUserData };
    const replaced = ENDS.filter((end) =>
      this.lab[end].replaceUserData(userData[end]),
    );
    for (const end of replaced) await this.lab.launch(end);
    return replaced;
  }

  #environment(): LabEnvironment {
    const { databaseSubnets } = this.lab.topology;
    return {
      ...{ forwarding: "nat", databaseSubnets, publicKeys: this.publicKeys },
      endpoint: { address: SERVER_PUBLIC_ADDRESSES[0] },
    };
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
