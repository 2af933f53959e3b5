import type { Training } from '../src/report/training.ts';

/** Loss of a model that gives all classes the same probability. */
export const chanceLoss = (classes: number): number => Math.log(classes);

/** Of each model, whether it ends at chance: the loss of its last epoch is that of the same answer for every image. */
export const endsAtChance = ({ histories }: Pick<Training, 'histories'>, classes: number): boolean[] =>
  histories.map((epochs) => Math.abs((epochs.at(-1)?.loss ?? Number.NaN) - chanceLoss(classes)) < 0.005);
