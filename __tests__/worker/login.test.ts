/** How often a password is tried, by a clock of the test's own. */
import { LoginError } from "../../worker/errors";
import { Login, MAX_REFUSALS, Refusals } from "../../worker/network/login";

const refusal = { problem: "no", error: new Error("28P01") };

/** A login whose password can be changed, and a clock that can be put on. */
function arrange({
  mayChange = true,
  refusals = new Refusals(() => 0.5),
} = {}) {
  const clock = { ms: 1_000 };
  const stored: { password: string | undefined } = { password: "first" };
  const login = new Login(
    {
      mayChange,
      async read() {
        if (stored.password === undefined) throw new Error("empty");
        return stored.password;
      },
    },
    refusals,
    () => clock.ms,
  );
  /** What the server would be asked with; undefined: it is not asked. */
  const asked = () =>
    login.password().catch((error: unknown) => {
      if (error instanceof LoginError) return undefined;
      throw error;
    });
  return { clock, stored, login, asked };
}

test("a password is tried five times, ever more slowly, and then no more", async () => {
  const { clock, login, asked } = arrange();
  const times: number[] = [];
  const hourMs = 3_600_000;
  for (; clock.ms < 3 * hourMs; clock.ms += 1_000) {
    if ((await asked()) === undefined) continue;
    times.push((clock.ms - 1_000) / 1_000);
    login.refused("first", refusal);
  }
  expect(times).toEqual([0, 10, 50, 210, 850]);
  expect(times).toHaveLength(MAX_REFUSALS);
});

test("another password is tried at once, and counts for itself", async () => {
  const { login, stored, asked } = arrange();
  for (let i = 0; i < MAX_REFUSALS; i++) login.refused("first", refusal);
  expect(await asked()).toBeUndefined();
  stored.password = "second";
  expect(await asked()).toBe("second");
  login.refused("second", refusal);
  expect(await asked()).toBeUndefined();
});

test("a password that is taken again is a new one", async () => {
  const { login, clock, asked } = arrange();
  for (let i = 0; i < MAX_REFUSALS - 1; i++) login.refused("first", refusal);
  clock.ms += 3_600_000;
  expect(await asked()).toBe("first");
  login.accepted("first");
  login.refused("first", refusal);
  clock.ms += 20_000;
  expect(await asked()).toBe("first");
});

test("of two connections that want the same refused password, one asks", async () => {
  const refusals = new Refusals(() => 0.5);
  const source = arrange({ refusals });
  const destination = arrange({ refusals });
  source.login.refused("first", refusal);
  source.clock.ms += 15_000;
  destination.clock.ms = source.clock.ms;
  expect(await source.asked()).toBe("first");
  expect(await destination.asked()).toBeUndefined();
});

test.each([
  ["a variable", false],
  ["a file", true],
])(
  "whether a password is stale after three refusals, from %s, which can be changed without a restart: %s",
  async (_what, mayChange) => {
    const { login, asked } = arrange({ mayChange });
    await asked();
    const stale = [];
    for (let i = 0; i < 3; i++) {
      login.refused("first", refusal);
      stale.push(login.isStale);
    }
    login.accepted("first");
    stale.push(login.isStale);
    expect(stale).toEqual([false, false, !mayChange, false]);
  },
);

test("what is refused for good says what is waited for", async () => {
  for (const [mayChange, words] of [
    [true, "until the file has another one"],
    [false, "a restart brings"],
  ] as const) {
    const { login } = arrange({ mayChange });
    let error = login.refused("first", refusal);
    expect(error.message).toBe("no");
    expect(error.retry).toMatchObject({ delayMs: 10_000, isFinal: false });
    for (let i = 1; i < MAX_REFUSALS; i++) {
      error = login.refused("first", refusal);
    }
    expect(error.message).toContain(words);
    expect(error.retry).toMatchObject({
      delayMs: undefined,
      isFinal: !mayChange,
    });
    expect(error.cause).toBe(refusal.error);
  }
});

test("a file that is empty for a moment, or half written, is not tried", async () => {
  const contents = [undefined, "sec", "second", "second", "second"];
  const login = new Login(
    {
      mayChange: true,
      async read() {
        const content = contents.shift();
        if (content === undefined) throw new Error("empty");
        return content;
      },
    },
    new Refusals(() => 0.5),
  );
  const { retry } = login.refused("first", refusal);
  await retry.until(new AbortController().signal);
  expect(contents).toEqual(["second"]);
});
