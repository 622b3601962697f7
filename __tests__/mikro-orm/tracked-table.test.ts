/** In which schema an entity's changes are looked for: where MikroORM writes it. */
import { EntitySchema, MikroORM } from "@mikro-orm/postgresql";
import { tableOf } from "../../mikro-orm/source/tracked-table";

class Item {
  id!: number;
}

const item = (schema?: string) =>
  new EntitySchema<Item>({
    class: Item,
    ...(schema ? { schema } : {}),
    properties: { id: { type: "number", primary: true } },
  });

test.each<[string | undefined, object, string]>([
  [undefined, {}, "public"],
  [undefined, { schema: "tenant" }, "tenant"],
  ["*", { schema: "tenant" }, "tenant"],
  ["own", { schema: "tenant" }, "own"],
])("of %p, with a fork of %j, %s", async (schema, fork, expected) => {
  const orm = await MikroORM.init({
    dbName: "none",
    connect: false,
    entities: [item(schema)],
  });
  const em = orm.em.fork(fork);
  const written = em.createQueryBuilder(Item).insert({ id: 1 }).getQuery();
  const { schema: found, table } = tableOf(em, Item);
  expect(found).toBe(expected);
  const name = expected === "public" ? `"${table}"` : `"${found}"."${table}"`;
  expect(written).toContain(`insert into ${name}`);
  await orm.close(true);
});
