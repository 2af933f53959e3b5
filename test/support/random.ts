/** Deterministic pseudo-random values for tests (mulberry32): the same seed gives the same numbers everywhere. */
export function random(seed: number) {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** In [0, 1). */
    uniform,
    /** Standard normal, by Box and Muller. */
    normal: (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    /** An integer from `low` to `high`, both included. */
    integer: (low: number, high: number): number => low + Math.floor(uniform() * (high - low + 1)),
  };
}
