/** The worker's image of an environment: built and pushed when it is not there. */

import { requireAccount } from "../aws";
import { Failure } from "../command-line";
import type { EnvironmentFile } from "../environment-file";
import { withProgress } from "../progress";
import { Docker } from "./docker";
import { imageTag, type Platform } from "./image-content";
import { ImageRepository } from "./image-repository";

export interface ImageResult {
  readonly what: "pushed" | "was there" | "not needed";
  readonly tag?: string;
  readonly digest?: string;
  /** Whether the environment's file has got another digest by it. */
  readonly changed?: boolean;
}

export async function ensureImage(
  file: EnvironmentFile,
  { root, docker = new Docker() }: { root: string; docker?: Docker },
): Promise<ImageResult> {
  const { worker, name } = file.read();
  if (!worker) return { what: "not needed" };
  const platform: Platform =
    worker.architecture === "arm64" ? "linux/arm64" : "linux/amd64";
  const tag = imageTag(root, platform);
  const repository = new ImageRepository(worker.account, name);
  const found = await withProgress(`Image ${tag}`, async () => {
    await requireAccount(worker.account);
    return await repository.digestOf(tag);
  });
  if (!found) await push({ repository, docker, tag, root, platform });
  const digest = found ?? (await repository.digestOf(tag));
  if (!digest) {
    throw new Failure(
      `the image ${tag} was pushed, but the repository does not have it: run the same command again`,
    );
  }
  const changed = file.change([
    { path: ["worker", "imageDigest"], value: digest },
  ]);
  return { what: found ? "was there" : "pushed", tag, digest, changed };
}

async function push({
  repository,
  docker,
  tag,
  root,
  platform,
}: {
  readonly repository: ImageRepository;
  readonly docker: Docker;
  readonly tag: string;
  readonly root: string;
  readonly platform: Platform;
}): Promise<void> {
  await docker.requireReady();
  const login = await repository.login();
  const reference = repository.reference(login.registry, tag);
  const pushed = await docker.withLogin(login, async () => {
    console.error(`Building ${reference} for ${platform} …`);
    return await docker.buildAndPush({ root, platform, reference });
  });
  if (pushed === "taken") {
    // The tag is made from the content: theirs is this one.
    console.error(
      `Somebody else has pushed ${tag} meanwhile, and a tag is written once: theirs is used.`,
    );
  }
}
