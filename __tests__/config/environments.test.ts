import { environmentNames, environmentOf } from "../support/environments";

test.each(environmentNames)("the test environment %s is valid", (name) => {
  expect(environmentOf(name).name).toBe(name);
});
