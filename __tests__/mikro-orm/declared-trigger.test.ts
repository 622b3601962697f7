/** Which of MikroORM's entities declare the trigger: those with a table of their own. */
import {
  declareTriggers,
  type Storage,
} from "../../mikro-orm/source/declared-trigger";

const root = { tableName: "animal", triggers: [] };
const cases: Record<string, [object, number]> = {
  "a class of its own": [{ tableName: "todo", triggers: [] }, 1],
  "the first class of an inheritance": [root, 1],
  "a class with a table beside the first one's": [
    { tableName: "dog", root, triggers: [] },
    1,
  ],
  "a class in the first one's table": [
    { tableName: "animal", root, triggers: [] },
    0,
  ],
  "an abstract class": [{ tableName: "a", abstract: true, triggers: [] }, 0],
  "an embeddable": [{ tableName: "a", embeddable: true, triggers: [] }, 0],
  "a virtual entity": [{ tableName: "a", virtual: true, triggers: [] }, 0],
  "a view": [{ tableName: "a", view: true, triggers: [] }, 0],
  "one that declares it": [
    { tableName: "a", triggers: [{ name: "_bemi_stmt_trigger" }] },
    1,
  ],
};

test.each(Object.entries(cases))("%s", (_name, [entity, expected]) => {
  Object.assign(root, { root });
  const storage: Storage = { getAll: () => new Map([["entity", entity]]) };
  declareTriggers({}).afterDiscovered?.(storage);
  const { triggers } = entity as { triggers: object[] };
  expect(triggers).toHaveLength(expected);
});

test("MikroORM before 7.1, which knows no triggers, gets none", () => {
  const entity = { tableName: "todo" };
  const storage: Storage = { getAll: () => ({ entity }) };
  declareTriggers({}).afterDiscovered?.(storage);
  expect(entity).toEqual({ tableName: "todo" });
});
