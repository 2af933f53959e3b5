import type { SearchState } from '../oracle.ts';

/** Returns ended trials, the best first and failed ones last; for equal scores, the lower number first. */
export function rankTrials(numbers: readonly number[], { finished, objective }: SearchState): number[] {
  const sign = objective.direction === 'min' ? 1 : -1;
  const cost = (number: number): number => {
    const score = finished.get(number)?.score ?? null;
    return score === null || Number.isNaN(score) ? Number.POSITIVE_INFINITY : sign * score;
  };
  const costs = new Map(numbers.map((number) => [number, cost(number)]));
  return [...numbers].sort((a, b) => (costs.get(a) === costs.get(b) ? a - b : costs.get(a)! - costs.get(b)!));
}

/** Whether a trial ended with a score. */
export const hasScore = (number: number, { finished }: SearchState): boolean =>
  typeof finished.get(number)?.score === 'number';
