import { meanAndSd } from '../src/report/statistics.ts';

// What the rows of coursework E compute of curves.

/** The rate of an epoch, counted from 0: each phase has its own, and the last one goes on. */
export function rateOfEpoch(phases: readonly { rate: number; epochs: number }[], epoch: number): number {
  let end = 0;
  const phase = phases.find(({ epochs }) => {
    end += epochs;
    return epoch < end;
  });
  return (phase ?? phases.at(-1)!).rate;
}

/** The first epoch, counted from 1, whose figure is above `level`; null where none is. */
export function firstEpochAbove(curve: readonly number[], level: number): number | null {
  const at = curve.findIndex((value) => value > level);
  return at < 0 ? null : at + 1;
}

/** How much a curve goes up and down from one point to the next, on average over its second half: NaN for too few points. */
export function roughness(curve: readonly number[]): number {
  const half = curve.slice(Math.floor(curve.length / 2));
  const changes = half.slice(1).map((value, i) => Math.abs(value - half[i]!));
  return meanAndSd(changes).mean ?? Number.NaN;
}
