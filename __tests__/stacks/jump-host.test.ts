/** What a deployment tells the jump host's administrator, done as it is told. */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sshKey } from "../../scripts/keys/ssh-key";
import { startSshd } from "../../scripts/lab/sshd";
import { own, unprivilegedOwner } from "../../scripts/unprivileged-owner";
import { openTunnel } from "../../worker/network/tunnel";
import { readSettings } from "../../worker/settings/settings";
import { changedEnvironment } from "../support/environments";
import { testWithSshd } from "../support/sshd";
import { templatesOf } from "../support/templates";

testWithSshd(
  "the two lines of ssh_authorized_keys let the worker in",
  async () => {
    const key = sshKey.generate("bemi-prod");
    const environment = changedEnvironment("ssh", (file) => {
      file.connection = {
        ...file.connection,
        publicKey: sshKey.inFile(key.publicKey),
      } as never;
    });
    const { output } = templatesOf(environment).worker ?? {};
    const owner = await unprivilegedOwner();
    const home = await mkdtemp(join(tmpdir(), "bemi-home-"));
    try {
      await own(home, owner);
      const run = (lines: string) =>
        execFileSync("/bin/sh", ["-e", "-c", lines], {
          ...owner,
          env: { PATH: process.env.PATH, HOME: home },
        });
      run("mkdir -m 700 ~/.ssh");
      run(String(output?.ssh_authorized_keys?.value));
      const file = join(home, ".ssh", "authorized_keys");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      // As the page asks for: the key can open the way and nothing else.
      const restricted = `restrict,port-forwarding ${readFileSync(file, "utf8")}`;
      for (const contents of [undefined, restricted]) {
        if (contents)
          run(`cat > ~/.ssh/authorized_keys <<'END'\n${contents}END`);
        await using host = await startSshd({
          config: { AuthorizedKeysFile: file },
        });
        const { ssh } = readSettings({
          ...{ DB_HOST: "db", DB_NAME: "x", DB_USER: "x", DB_PASSWORD: "x" },
          ...host.environment,
          SSH_PRIVATE_KEY: key.privateKey,
        });
        if (!ssh) throw new Error("there is no SSH_HOST");
        const { signal } = new AbortController();
        await using tunnel = await openTunnel(ssh, signal);
        const stream = await tunnel.connect("localhost", host.port);
        stream.destroy();
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
);
