import { bemiDownSql, bemiUpSql } from "@bemi-db/mikro-orm";
import { Migration } from "@mikro-orm/migrations";

export class Migration20261120233819_bemi extends Migration {
  override async up(): Promise<void> {
    this.addSql(bemiUpSql());
  }

  override async down(): Promise<void> {
    this.addSql(bemiDownSql());
  }
}
