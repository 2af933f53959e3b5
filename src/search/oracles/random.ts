import { checkOptions } from '../../base/check.ts';
import { drawStream } from '../draw.ts';
import type { Oracle } from '../oracle.ts';
import { unitToValue } from '../space.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';

export interface RandomOptions {
  /** Default 10, as in KerasTuner. */
  maxTrials?: number;
}

/** Draws every value at random, each trial independent of the others. */
export const drawAtRandom: Oracle['draw'] = (hyperparameter, number, attempt, _values, { seed }) =>
  unitToValue(hyperparameter, drawStream(seed, number, attempt, hyperparameter.name).uniform64());

/** The oracle of RandomSearch. @throws ArgumentError for impossible options */
export function randomOracle(options: RandomOptions = {}): Oracle {
  const subject = 'RandomSearch';
  checkOptions(subject, options, { maxTrials: true });
  const maxTrials = checkCount(subject, 'maxTrials', options.maxTrials ?? 10);
  return {
    propose: (number) => (number < maxTrials ? { values: {} } : null),
    draw: drawAtRandom,
    attempts: MAX_ATTEMPTS,
  };
}
