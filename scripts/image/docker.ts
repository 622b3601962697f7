/** Docker, as far as one image is built and pushed with it. */
import { runProgram } from "../child-process";
import { Failure } from "../command-line";
import { DOCKERFILE, type Platform } from "./image-content";

export interface RegistryLogin {
  /** `<account>.dkr.ecr.<region>.amazonaws.com`. */
  readonly registry: string;
  readonly user: string;
  readonly password: string;
}

export interface ImageBuild {
  /** Folder that it is built from. */
  readonly root: string;
  readonly platform: Platform;
  /** With registry and tag. */
  readonly reference: string;
}

/** "taken": somebody else has pushed the same tag meanwhile. */
export type Pushed = "pushed" | "taken";

export class Docker {
  constructor(readonly env: NodeJS.ProcessEnv = process.env) {}

  /** @throws Failure when it cannot build here */
  async requireReady(): Promise<void> {
    const { code, stderr } = await this.#run(["info", "--format", "{{.ID}}"]);
    if (code === undefined) {
      throw new Failure(
        "there is no docker on PATH: install Docker with its buildx plugin, or run this where it is",
      );
    }
    if (code !== 0) {
      const reason = /permission denied/i.test(stderr)
        ? "its socket is not open to you: add yourself to the group docker, or use rootless Docker"
        : "it is not running: start it, then run the same command again";
      throw new Failure(`docker does not answer: ${reason}`);
    }
    const buildx = await this.#run(["buildx", "version"]);
    if (buildx.code !== 0) {
      throw new Failure(
        "docker has no buildx plugin, which builds for the task's architecture: install docker-buildx",
      );
    }
  }

  /** The registry's password is in docker's store for as long as the work lasts. */
  async withLogin<T>(login: RegistryLogin, work: () => Promise<T>): Promise<T> {
    const { registry, user, password } = login;
    const { code, stderr } = await this.#run(
      ["login", "--username", user, "--password-stdin", registry],
      password,
    );
    if (code !== 0) {
      throw new Failure(
        `the registry ${registry} refused docker's login: ${lastLine(stderr)}`,
      );
    }
    try {
      return await work();
    } finally {
      await this.#run(["logout", registry]);
    }
  }

  async buildAndPush({
    root,
    platform,
    reference,
  }: ImageBuild): Promise<Pushed> {
    const args = [
      ...["buildx", "build", "--platform", platform],
      // With it an index is pushed whose digest differs from build to build.
      "--provenance=false",
      "--push",
      ...["--tag", reference, "--file", `${root}/${DOCKERFILE}`, root],
    ];
    const { code, stdout, stderr } = await runProgram("docker", args, {
      env: this.env,
      shown: true,
    });
    if (code === 0) return "pushed";
    const output = `${stdout}\n${stderr}`;
    if (/tag is immutable|ImageTagAlreadyExists/i.test(output)) return "taken";
    if (/exec format error/i.test(output)) {
      throw new Failure(
        `docker cannot run ${platform} on this machine: install QEMU for it (docker run --privileged --rm tonistiigi/binfmt --install all), or set worker.architecture to this machine's`,
      );
    }
    throw new Failure(
      `docker could not build and push the image (exit code ${code}): ${lastLine(output)}`,
    );
  }

  async #run(args: readonly string[], input?: string) {
    return await runProgram("docker", args, {
      env: this.env,
      ...(input === undefined ? {} : { input }),
    });
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() || "it gave no reason";
}
