// Completes package-lock.json after `npm install` against a registry mirror
// that lacks some platforms' optional packages. npm leaves those out of the
// lock, and `npm ci` then refuses the lock everywhere. The entries added here
// carry no integrity, so only platforms that the mirror lacked miss that check.
// With a folder as its argument, that folder's lock.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const path = join(root, process.argv[2] ?? "", "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
const added = [];

for (const [parent, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(
    entry.optionalDependencies ?? {},
  )) {
    const shared = `node_modules/${name}`;
    const nested = `${parent}/${shared}`;
    if (lock.packages[nested]) continue;
    if (majorOf(lock.packages[shared]?.version) === majorOf(version)) continue;
    lock.packages[lock.packages[shared] ? nested : shared] = {
      version: version.replace(/^[~^]/, ""),
      ...platformOf(name),
      license: entry.license,
      optional: true,
      ...(entry.dev ? { dev: true } : {}),
    };
    added.push(name);
  }
}

lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added.length} platform packages added`);

function majorOf(version) {
  return /\d+/.exec(version ?? "")?.[0];
}

function platformOf(name) {
  const words = name.split("/").at(-1).split("-");
  const systems = [
    "aix",
    "android",
    "darwin",
    "freebsd",
    "linux",
    "openharmony",
    "win32",
    "windows",
  ];
  const os = systems.find((system) => words.includes(system));
  const cpu = words[words.indexOf(os) + 1];
  const libc = name.includes("musl")
    ? ["musl"]
    : name.includes("gnu")
      ? ["glibc"]
      : undefined;
  return {
    os: [os === "windows" ? "win32" : os],
    cpu: [cpu],
    ...(os === "linux" && libc ? { libc } : {}),
  };
}
