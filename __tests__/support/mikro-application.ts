/**
 * The application of `__tests__/mikro-orm/application.ts` beside the packed
 * package and one version of MikroORM, each in the module format of its time.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { imageNode } from "../../scripts/image-node";
import { LoggedProcess } from "../../scripts/logged-process";
import { projectWithPackage } from "./mikro-package";

const root = join(__dirname, "..", "..");
const seven = join(root, "__tests__", "mikro-orm", "seven");

const IMPORTS = `
import { BemiExtension, bemiOnQuery, setContext } from "@bemi-db/mikro-orm";
import { Migrator } from "@mikro-orm/migrations";
import { defineConfig } from "@mikro-orm/postgresql";
import express, { type Request } from "express";
`;

export type MikroOrmVersion = "6" | "7";
export type ModuleFormat = "cjs" | "esm";

/** The folder of its packages; of another release where MIKRO_ORM_6 or _7 says so. */
export function mikroModules(version: MikroOrmVersion): string {
  return (
    process.env[`MIKRO_ORM_${version}`] ??
    join(version === "7" ? seven : root, "node_modules", "@mikro-orm")
  );
}

/** As in 6.6. */
export function mikroRelease(version: MikroOrmVersion): number {
  const file = join(mikroModules(version), "core", "package.json");
  return Number.parseFloat(JSON.parse(readFileSync(file, "utf8")).version);
}

/** What runs it: MikroORM 7 needs Node 22.17 or later. */
export function nodeFor(version: MikroOrmVersion): string {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (version === "6" || major > 22 || (major === 22 && minor >= 17))
    return process.execPath;
  const carried = imageNode();
  if (carried) return carried;
  throw new Error(
    `MikroORM 7 needs Node 22.17, and this is ${process.version}. Run: node scripts/install.mjs __tests__/mikro-orm/seven`,
  );
}

export class MikroApplication {
  private constructor(
    readonly version: MikroOrmVersion,
    private readonly format: ModuleFormat,
    private readonly program: string,
  ) {}

  /** Packs the package and bundles the application; nothing of ours is bundled. */
  static async prepare(
    version: MikroOrmVersion,
    format: ModuleFormat,
    /** Of __tests__/mikro-orm. */
    source = "application.ts",
  ): Promise<MikroApplication> {
    const modules = join(root, "node_modules");
    const folder = projectWithPackage([
      mikroModules(version),
      ...["express-4", "express-5", "@types"].map((name) =>
        join(modules, name),
      ),
    ]);
    const program = join(folder, format === "esm" ? "app.mjs" : "app.cjs");
    await build({
      absWorkingDir: root,
      entryPoints: [join("__tests__", "mikro-orm", source)],
      outfile: program,
      bundle: true,
      platform: "node",
      target: "node20",
      format,
      packages: "external",
      // Not to the package's source, as for the type checker.
      tsconfigRaw: {},
      logLevel: "warning",
    });
    return new MikroApplication(version, format, program);
  }

  /** What the compiler has against it, strictly; empty when nothing. */
  async compile(
    text: string,
    resolution: "nodenext" | "node16" | "bundler" = "nodenext",
  ): Promise<string> {
    const extension = this.format === "esm" ? "mts" : "cts";
    const file = join(dirname(this.program), `configuration.${extension}`);
    writeFileSync(file, `${IMPORTS}${text}`);
    const tsc = join(root, "node_modules", ".bin", "tsc");
    const module = resolution === "bundler" ? "esnext" : resolution;
    const options = [
      ...["--noEmit", "--strict", "--skipLibCheck", "--types", "node"],
      ...["--module", module, "--moduleResolution", resolution],
      ...["--target", "es2023", "--ignoreConfig", file],
    ];
    const { stdout } = spawnSync(tsc, options, {
      cwd: dirname(this.program),
      encoding: "utf8",
    });
    return stdout;
  }

  start(
    databaseUrl: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): LoggedProcess {
    return new LoggedProcess(nodeFor(this.version), [this.program, ...args], {
      env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, ...env },
    });
  }

  /** Runs to the end; what it reported. */
  async run(...args: Parameters<MikroApplication["start"]>): Promise<unknown> {
    await using application = this.start(...args);
    const { code } = await application.exited;
    if (code !== 0) throw new Error(application.stderr || application.stdout);
    return application.lines.at(-1)?.result;
  }
}
