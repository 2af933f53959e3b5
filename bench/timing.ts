/** Time of one run: the best of `rounds` rounds of `runs` runs each. */
export interface Timing {
  ms: number;
  rounds: number;
  runs: number;
}

/** Milliseconds of a round: long enough that the clock's resolution and the submit are negligible. */
const ROUND_MS = 60;
/** A slow benchmark gets no further rounds after this time, but always two. */
const MAX_TOTAL_MS = 15_000;

/** Times rounds of `runs` runs. @param round returns the milliseconds of all its runs; the adapter is idle before and after */
export async function bestOf(rounds: number, runs: number, round: () => Promise<number>): Promise<Timing> {
  const begun = performance.now();
  const times: number[] = [];
  while (times.length < rounds && !hasEnoughRounds(begun, times.length)) times.push(await round());
  return { ms: Math.min(...times) / runs, rounds: times.length, runs };
}

/** Whether a slow benchmark has had enough rounds. @param begun time of its start */
export const hasEnoughRounds = (begun: number, rounds: number) =>
  rounds >= 2 && performance.now() - begun > MAX_TOTAL_MS;

/** Returns the number of runs for a round of `roundMs`. @param ms time of one run */
export const runsFor = (ms: number, limit: number, min = 1, roundMs = ROUND_MS): number =>
  Math.max(min, Math.min(limit, Math.round(roundMs / Math.max(ms, 1e-3))));

/** Returns the shortest time of the runs that fit into a round, at least one. A single slow run would make the rounds too short. */
export async function timeShortestRun(run: () => Promise<number>): Promise<number> {
  const begun = performance.now();
  let shortest = Number.POSITIVE_INFINITY;
  do shortest = Math.min(shortest, await run());
  while (performance.now() - begun < ROUND_MS);
  return shortest;
}
