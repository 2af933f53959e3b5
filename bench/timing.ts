/** How long one run takes: the best of `rounds` rounds of `runs` runs each. */
export interface Timing {
  ms: number;
  rounds: number;
  runs: number;
}

/** Milliseconds a round should last: long enough to drown the clock and the submit. */
const ROUND_MS = 60;
/** Of a benchmark whose single run is long, rounds are left out once it has taken this long; two always are run. */
const PATIENCE_MS = 15_000;

/** Times rounds of `runs` runs; `round` returns milliseconds for all of its runs, with the adapter idle before and after. */
export async function bestOf(rounds: number, runs: number, round: () => Promise<number>): Promise<Timing> {
  const begun = performance.now();
  const times: number[] = [];
  while (times.length < rounds && !impatient(begun, times.length)) times.push(await round());
  return { ms: Math.min(...times) / runs, rounds: times.length, runs };
}

/** Whether enough was measured for a slow benchmark. */
export const impatient = (begun: number, rounds: number) => rounds >= 2 && performance.now() - begun > PATIENCE_MS;

/** Runs in a round of `roundMs`, given how long one takes. */
export const runsFor = (ms: number, limit: number, least = 1, roundMs = ROUND_MS): number =>
  Math.max(least, Math.min(limit, Math.round(roundMs / Math.max(ms, 1e-3))));

/** The shortest of the runs that fit into a round, one at least: a hiccup in the only one would leave rounds too short. */
export async function quickest(run: () => Promise<number>): Promise<number> {
  const begun = performance.now();
  let least = Number.POSITIVE_INFINITY;
  do least = Math.min(least, await run());
  while (performance.now() - begun < ROUND_MS);
  return least;
}
