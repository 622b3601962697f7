import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parameterKind } from "../../constructs/parameter-kind";
import { findBinaries } from "../../scripts/postgres-binaries";
import type { SupportedMajor } from "../../scripts/postgres-major";
import { testedMajors } from "../support/majors";

/** Of a server of this version: what each parameter can be changed by. */
async function contexts(major: SupportedMajor): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), "parameters-"));
  const { postgres, owner } = await findBinaries(major, folder);
  const text = execFileSync(postgres, ["--describe-config"], {
    ...owner,
    cwd: folder,
    encoding: "utf8",
  });
  const rows = text.trimEnd().split("\n");
  return new Map(
    rows.map((row): [string, string] => {
      const [name = "", context = ""] = row.split("\t");
      return [name.toLowerCase(), context];
    }),
  );
}

// RDS takes some at a reboot alone that PostgreSQL takes at once, but it cannot
// take at once what PostgreSQL only takes at a start: a deployment would fail.
test.each(testedMajors(14, 15, 16, 17, 18))(
  "nothing that PostgreSQL %i takes at its start alone counts as dynamic",
  async (major) => {
    const all = await contexts(major);
    expect(all.get("work_mem")).toBe("user");
    const atStart = [...all].flatMap(([name, context]) =>
      context === "postmaster" ? [name] : [],
    );
    expect(atStart).toContain("max_replication_slots");
    expect(atStart.filter((name) => parameterKind(name) === "dynamic")).toEqual(
      [],
    );
  },
);
