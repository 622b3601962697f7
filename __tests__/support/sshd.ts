/** Tests that need OpenSSH's server; Debian's package is `openssh-server`. */
import { sshdPath } from "../../scripts/lab/sshd";

/** `test`, or a skipped one, so that the report shows what was not looked at. */
export const testWithSshd: jest.It = sshdPath === undefined ? test.skip : test;
