/** Who reaches whom in a lab. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { runProgram } from "../../scripts/child-process";
import { eventually } from "../../scripts/eventually";

const TIMEOUT_SECONDS = 6;

/** Whether a connection is made. @param enter - what goes before a command */
export async function reaches(
  enter: readonly string[],
  address: string,
  port: number,
): Promise<boolean> {
  return await sends(enter, address, port, "");
}

/** The same; then the text is sent, in clear. */
export async function sends(
  enter: readonly string[],
  address: string,
  port: number,
  text: string,
): Promise<boolean> {
  const [program = "", ...args] = [
    ...enter,
    ...["timeout", String(TIMEOUT_SECONDS), "bash", "-c"],
    `exec 3<>/dev/tcp/${address}/${port} && printf '%s' '${text}' >&3`,
  ];
  return (await runProgram(program, args)).code === 0;
}

/** Something that anybody who gets to it can connect to. */
export class Listener implements AsyncDisposable {
  private constructor(readonly child: ChildProcess) {}

  static async start(
    enter: readonly string[],
    address: string,
    port: number,
  ): Promise<Listener> {
    const [program = "", ...args] = [
      ...["setpriv", "--pdeathsig=KILL", ...enter, "socat"],
      `TCP4-LISTEN:${port},bind=${address},fork,reuseaddr`,
      "SYSTEM:cat >/dev/null",
    ];
    const child = spawn(program, args, { stdio: "ignore", detached: true });
    const listener = new Listener(child);
    await eventually(`port ${port} listens`, () =>
      reaches(enter, address, port),
    ).catch(async (error) => {
      await listener[Symbol.asyncDispose]();
      throw error;
    });
    return listener;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this;
    if (!child.pid || child.exitCode !== null || child.signalCode) return;
    const exited = once(child, "exit");
    process.kill(-child.pid, "SIGKILL");
    await exited;
  }
}
