import type { Training } from '../src/report/training.ts';

/** Cross-entropy of a model that gives all classes the same probability. */
export const chanceLoss = (classes: number): number => Math.log(classes);

/** Returns for each model whether it ends at chance: whether its last loss is that of equal probabilities for all classes. */
export const endsAtChance = ({ histories }: Pick<Training, 'histories'>, classes: number): boolean[] =>
  histories.map((epochs) => Math.abs((epochs.at(-1)?.loss ?? Number.NaN) - chanceLoss(classes)) < 0.005);
