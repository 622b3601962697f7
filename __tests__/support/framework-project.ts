/**
 * The applications of `__tests__/mikro-orm/frameworks` beside the packed package,
 * a framework each, in a folder of their own.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { LoggedProcess } from "../../scripts/logged-process";
import {
  type MikroOrmVersion,
  mikroModules,
  nodeFor,
} from "./mikro-application";
import { projectWithPackage } from "./mikro-package";

const root = join(__dirname, "..", "..");
const sources = join(root, "__tests__", "mikro-orm", "frameworks");
const modules = join(sources, "node_modules");

export class FrameworkProject {
  private constructor(
    readonly version: MikroOrmVersion,
    readonly folder: string,
  ) {}

  static async prepare(version: MikroOrmVersion): Promise<FrameworkProject> {
    if (!existsSync(modules))
      throw new Error(
        "The frameworks are missing. Run: node scripts/install.mjs __tests__/mikro-orm/frameworks",
      );
    const folder = projectWithPackage([
      mikroModules(version),
      ...readdirSync(modules)
        .filter((name) => !name.startsWith("."))
        .map((name) => join(modules, name)),
    ]);
    cpSync(sources, folder, {
      recursive: true,
      filter: (path) => path !== modules,
    });
    for (const [entryPoints, format, extension] of [
      [
        readdirSync(folder).filter((name) => name.endsWith(".ts")),
        "esm",
        ".mjs",
      ],
      [["notes.ts"], "cjs", ".cjs"],
    ] as const)
      await build({
        absWorkingDir: folder,
        entryPoints: [...entryPoints],
        outdir: "built",
        outExtension: { ".js": extension },
        bundle: true,
        platform: "node",
        target: "node20",
        format,
        packages: "external",
        logLevel: "warning",
      });
    return new FrameworkProject(version, folder);
  }

  /** What the compiler has against the applications, strictly; empty when nothing. */
  compile(): string {
    const tsc = join(root, "node_modules", ".bin", "tsc");
    return spawnSync(tsc, ["-p", "."], { cwd: this.folder, encoding: "utf8" })
      .stdout;
  }

  /**
   * As `next build` does it. Of JavaScript, because for TypeScript it wants a
   * compiler of its own; `compile` has looked at the types.
   */
  async buildNext(): Promise<void> {
    const app = readdirSync(join(this.folder, "next", "app"), {
      recursive: true,
      encoding: "utf8",
    });
    await build({
      absWorkingDir: this.folder,
      entryPoints: [
        "notes.ts",
        ...app
          .filter((name) => /\.tsx?$/.test(name))
          .map((name) => join("next", "app", name)),
      ],
      outdir: "next-project",
      outbase: ".",
      target: "es2022",
      jsx: "automatic",
      logLevel: "warning",
    });
    const project = join(this.folder, "next-project", "next");
    cpSync(
      join(this.folder, "next", "next.config.mjs"),
      join(project, "next.config.mjs"),
    );
    await using building = this.next(["build"]);
    const { code } = await building.exited;
    if (code !== 0) throw new Error(building.lastWords());
  }

  next(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): LoggedProcess {
    const program = join(modules, "next", "dist", "bin", "next");
    return new LoggedProcess(nodeFor(this.version), [program, ...args], {
      cwd: join(this.folder, "next-project", "next"),
      env: { PATH: process.env.PATH, NEXT_TELEMETRY_DISABLED: "1", ...env },
    });
  }

  start(
    name: string,
    databaseUrl: string,
    env: Readonly<Record<string, string>> = {},
  ): LoggedProcess {
    return new LoggedProcess(
      nodeFor(this.version),
      ["--enable-source-maps", join(this.folder, "built", `${name}.mjs`)],
      { env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, ...env } },
    );
  }
}
