/** The same choices at every run, so that a failure can be seen again. */
export type Random = ReturnType<typeof randomFrom>;

export function randomFrom(seed: number) {
  let state = seed >>> 0;
  /** Mulberry32. */
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  /** 0 to `limit` - 1. */
  const upTo = (limit: number) => Math.floor(fraction() * limit);
  const pick = <Item>(items: readonly Item[]): Item =>
    items[upTo(items.length)] as Item;
  return { upTo, pick };
}
