import { formatLsn, parseLsn } from "../../worker/lsn";

describe("a position in the log", () => {
  test("after 0/FFFFFFFF comes 1/0", () => {
    expect(formatLsn(parseLsn("0/FFFFFFFF") + 1n)).toBe("1/0");
    expect(parseLsn("1/0")).toBe(2n ** 32n);
  });

  test("is the same padded or not, in either case", () => {
    expect(parseLsn("00000000/02000268")).toBe(parseLsn("0/2000268"));
    expect(parseLsn("16/b374d848")).toBe(parseLsn("00000016/B374D848"));
  });

  test("is larger where its text is smaller", () => {
    expect(parseLsn("10/0")).toBeGreaterThan(parseLsn("9/0"));
    expect(parseLsn("1/0")).toBeGreaterThan(parseLsn("0/FFFFFFFF"));
    expect("10/0" < "9/0").toBe(true);
  });

  test("is printed as PostgreSQL prints it, up to the last", () => {
    for (const text of ["0/0", "0/15D68C0", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
      expect(formatLsn(parseLsn(text))).toBe(text);
  });

  test.each(["", "0", "0/", "/0", "0/100000000", "-1/0", "0/0 ", "x/0"])(
    "%j is none",
    (text) => {
      expect(() => parseLsn(text)).toThrow("not an LSN");
    },
  );
});
