/** The migration as a file of the application: TypeScript, ES module or CommonJS. */

export type MigrationLanguage = "ts" | "esm" | "cjs";

export interface MigrationFile {
  readonly name: string;
  readonly text: string;
}

/** MikroORM runs files in the order of their names, so these begin with the time. */
export function migrationFile(
  language: MigrationLanguage,
  now: Date,
): MigrationFile {
  const digits = now.toISOString().replace(/\D/g, "").slice(0, 14);
  const className = `Migration${digits}_bemi`;
  return {
    name: `${className}.${language === "ts" ? "ts" : "js"}`,
    text:
      language === "cjs" ? commonJs(className) : module(className, language),
  };
}

/** Whether a file of that name is one of these, of whatever time. */
export function isMigrationFile(name: string): boolean {
  return /^Migration\d+_bemi\.[cm]?[jt]s$/.test(name);
}

function module(className: string, language: MigrationLanguage): string {
  const result = language === "ts" ? ": Promise<void>" : "";
  // For projects with noImplicitOverride, as MikroORM's own migrations have it.
  const override = language === "ts" ? "override " : "";
  return `import { bemiDownSql, bemiUpSql } from "@bemi-db/mikro-orm";
import { Migration } from "@mikro-orm/migrations";

export class ${className} extends Migration {
  ${override}async up()${result} {
    this.addSql(bemiUpSql());
  }

  ${override}async down()${result} {
    this.addSql(bemiDownSql());
  }
}
`;
}

function commonJs(className: string): string {
  return `"use strict";
const { bemiDownSql, bemiUpSql } = require("@bemi-db/mikro-orm");
const { Migration } = require("@mikro-orm/migrations");

class ${className} extends Migration {
  async up() {
    this.addSql(bemiUpSql());
  }

  async down() {
    this.addSql(bemiDownSql());
  }
}
exports.${className} = ${className};
`;
}
