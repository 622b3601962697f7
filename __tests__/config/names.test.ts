import { namesOf } from "../../config/names";

// Secrets Manager puts a hyphen and six characters behind a name, and takes a
// name that ends like that for a complete ARN.
test.each(Object.entries(namesOf("prod").secrets))(
  "the name of the secret %s does not end as an ARN does",
  (_, name) => {
    expect(name).not.toMatch(/-.{6}$/);
  },
);

test("no name of a secret is the beginning of another", () => {
  const names = Object.values(namesOf("prod").secrets);
  const pairs = names.flatMap((name) =>
    names.filter((other) => other !== name && other.startsWith(name)),
  );
  expect(pairs).toEqual([]);
});
