import { parseTablePatterns } from "../../worker/settings/tables";
import {
  brokenBy,
  identityToSet,
  isTracked,
  type Publishing,
} from "../../worker/source/tracked-tables";
import { aTable } from "../support/source-facts";

const published: Publishing = {
  versionNum: 180000,
  covered: true,
  publishesOldRows: true,
  publishesStoredGenerated: true,
};
const unpublished = { ...published, covered: false };
const noKey = { hasPrimaryKey: false };
const virtual = { hasVirtualGenerated: true };

describe("the identity to set", () => {
  test("is FULL for a tracked table, published or not", () => {
    const table = aTable("t", { identity: "default" });
    expect(identityToSet(table, true, published)).toBe("full");
    expect(identityToSet(table, true, unpublished)).toBe("full");
    expect(
      identityToSet(aTable("t", { identity: "index" }), true, published),
    ).toBe("full");
  });

  test("is FULL for an untracked table only if publishing would break its writes", () => {
    const without = aTable("t", { identity: "default", ...noKey });
    expect(identityToSet(without, false, published)).toBe("full");
    expect(identityToSet(without, false, unpublished)).toBeUndefined();
    const nothing = aTable("t", { identity: "nothing" });
    expect(identityToSet(nothing, false, published)).toBe("full");
    const dropped = aTable("t", { identity: "index" });
    expect(identityToSet(dropped, false, published)).toBe("full");
    const keyed = aTable("t", { identity: "default" });
    expect(identityToSet(keyed, false, published)).toBeUndefined();
  });

  test("is the key on 18 with a virtual generated column", () => {
    const full = aTable("t", { identity: "full", ...virtual });
    expect(identityToSet(full, true, published)).toBe("default");
    const keyed = aTable("t", { identity: "default", ...virtual });
    expect(identityToSet(keyed, true, published)).toBeUndefined();
    const without = aTable("t", { identity: "full", ...virtual, ...noKey });
    expect(identityToSet(without, true, published)).toBeUndefined();
  });

  test("is the key on 18 with a stored one that an existing publication leaves out", () => {
    const table = aTable("t", { identity: "full", hasStoredGenerated: true });
    expect(identityToSet(table, true, published)).toBeUndefined();
    const without = { ...published, publishesStoredGenerated: false };
    expect(identityToSet(table, true, without)).toBe("default");
    expect(
      identityToSet(table, true, { ...without, versionNum: 170000 }),
    ).toBeUndefined();
  });

  test("is left alone where it is never used", () => {
    const parent = aTable("t", { identity: "default", partitioned: true });
    expect(identityToSet(parent, true, published)).toBeUndefined();
    const fast = aTable("t", { identity: "default", unlogged: true });
    expect(identityToSet(fast, true, published)).toBeUndefined();
  });
});

describe("writes that the server refuses", () => {
  const broken = (...input: Parameters<typeof brokenBy>) =>
    brokenBy(...input) !== undefined;

  test("are those of published tables without a usable identity", () => {
    const without = aTable("t", { identity: "default", ...noKey });
    expect(broken(without, published)).toBe(true);
    expect(broken(without, unpublished)).toBe(false);
    const inserts = { ...published, publishesOldRows: false };
    expect(broken(without, inserts)).toBe(false);
    expect(broken(aTable("t", { identity: "nothing" }), published)).toBe(true);
    expect(broken(aTable("t", { identity: "index" }), published)).toBe(true);
    const index = aTable("t", { identity: "index", hasIdentityIndex: true });
    expect(broken(index, published)).toBe(false);
    expect(broken(aTable("t"), published)).toBe(false);
  });

  test("are on 18 those whose identity has an unpublished generated column", () => {
    const on17 = { ...published, versionNum: 170000 };
    expect(broken(aTable("t", virtual), published)).toBe(true);
    expect(broken(aTable("t", virtual), on17)).toBe(false);
    const stored = aTable("t", { hasStoredGenerated: true });
    expect(broken(stored, published)).toBe(false);
    const without = { ...published, publishesStoredGenerated: false };
    expect(broken(stored, without)).toBe(true);
    const key = aTable("t", { identity: "default", keyHasGenerated: true });
    expect(broken(key, without)).toBe(true);
  });
});

describe("a tracked table", () => {
  const patterns = (text: string) => ({
    trackTables: parseTablePatterns(text),
  });

  test("is found by its own name or its parents'", () => {
    const parent = { oid: 99, schema: "public", name: "orders" };
    const leaf = aTable("p1", { schema: "parts", ancestors: [parent] });
    expect(isTracked(leaf, patterns("public.orders"))).toBe(true);
    expect(isTracked(leaf, patterns("parts.*"))).toBe(true);
    expect(isTracked(leaf, patterns("public.p1"))).toBe(false);
    const member = aTable("spatial_ref_sys", { extension: true });
    expect(isTracked(member, patterns("public.*"))).toBe(false);
  });

  test("is none of the worker's own, but a table of that name elsewhere is", () => {
    const own = { ...patterns("*.*"), destinationIsSource: true };
    const parent = { oid: 99, schema: "public", name: "changes" };
    const leaf = aTable("changes_2026_01", { ancestors: [parent] });
    expect(isTracked(leaf, own)).toBe(false);
    expect(isTracked(leaf, patterns("*.*"))).toBe(true);
    expect(isTracked(aTable("_bemi_gaps"), own)).toBe(false);
    expect(isTracked(aTable("changes", { schema: "app" }), own)).toBe(true);
  });
});
