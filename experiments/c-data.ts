import type { ExperimentContext } from '../src/cli/experiment.ts';
import { type ImageSet, trainTestSplit } from '../src/index.ts';
import { paragraph } from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { count } from '../src/report/format.ts';

/** Share of MNIST's training set for validation: 10,000 of 60,000 images. */
const VALIDATION_SHARE = 1 / 6;

export interface SplitImages {
  train: ImageSet;
  validation: ImageSet;
  test: ImageSet;
}

/** Splits MNIST at random, like the coursework, by the run's seed: all trainings of a run have the same images. */
export function splitImages(context: ExperimentContext): SplitImages {
  const { train: all, test } = context.images('mnist');
  const { train, test: validation } = trainTestSplit(all, { testSize: VALIDATION_SHARE, seed: context.seed });
  return { train, validation, test };
}

/** Describes the split in reports. */
export const aboutSplit = ({ train, validation, test }: SplitImages, seed: number): BlockInput =>
  paragraph(
    `${count(train.size)} images for training and ${count(validation.size)} for validation, drawn from MNIST's training set by seed ` +
      `${seed}; ${count(test.size)} for testing. The coursework draws its own without a seed. Pixels become 0..1.`,
  );
