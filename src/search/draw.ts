import { crc32c } from '../base/crc32c.ts';
import { RandomStream } from '../base/random.ts';

const encoder = new TextEncoder();

/**
 * Returns the random numbers for one hyperparameter of one trial. They depend on its name, not on the other hyperparameters or the order of
 * requests. So another request in a builder leaves the draws of the rest unchanged.
 * @param attempt number of earlier attempts, whose values equaled those of an earlier trial
 */
export function drawStream(seed: number, trial: number, attempt: number, name: string): RandomStream {
  return new RandomStream(seed, 'search', trial, crc32c(encoder.encode(`${attempt}/${name}`)));
}
