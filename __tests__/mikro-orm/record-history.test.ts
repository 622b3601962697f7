/** What goes into the SQL as it is: no text may. */
import { recordHistory } from "../../mikro-orm/source/record-history";

test.each<[unknown]>([
  ["1; DROP TABLE todo"],
  ["10"],
  [0],
  [-1],
  [1.5],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
])("a limit of %p is refused before anything is asked", async (limit) => {
  const em = { execute: jest.fn(), getMetadata: jest.fn() };
  const options = { limit: limit as number };
  const todo = { table: "todo", key: "id" };
  await expect(recordHistory(em, todo, 1, options)).rejects.toThrow(RangeError);
  expect(em.execute).not.toHaveBeenCalled();
});
