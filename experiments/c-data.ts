import type { ExperimentContext } from '../src/cli/experiment.ts';
import { type ImageSet, trainTestSplit } from '../src/index.ts';
import { paragraph } from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { count } from '../src/report/format.ts';

/** Images of MNIST's training set that are kept back for validation: 10,000 of 60,000. */
const VALIDATION_SHARE = 1 / 6;

export interface SplitImages {
  train: ImageSet;
  validation: ImageSet;
  test: ImageSet;
}

/** The coursework's random split, drawn by the run's seed: every training of the run has the same images. */
export function splitImages(lab: ExperimentContext): SplitImages {
  const { train: all, test } = lab.images('mnist');
  const { train, test: validation } = trainTestSplit(all, { testSize: VALIDATION_SHARE, seed: lab.seed });
  return { train, validation, test };
}

/** What a report says of the data. */
export const aboutSplit = ({ train, validation, test }: SplitImages, seed: number): BlockInput =>
  paragraph(
    `${count(train.size)} images for training and ${count(validation.size)} for validation, drawn from MNIST's training set by seed ` +
      `${seed}; ${count(test.size)} for testing. The coursework draws its own without a seed. Pixels become 0..1.`,
  );
