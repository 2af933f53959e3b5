import { crc32c } from '../base/crc32c.ts';
import { RandomStream } from '../base/random.ts';

const encoder = new TextEncoder();

/**
 * Random numbers for one hyperparameter of one trial. They depend on its name and not on which others there are or in what
 * order they are asked for, so that a builder which asks for one more leaves the draws of the rest as they were.
 * @param attempt from 0; more where the values of earlier attempts were those of an earlier trial
 */
export function drawStream(seed: number, trial: number, attempt: number, name: string): RandomStream {
  return new RandomStream(seed, 'search', trial, crc32c(encoder.encode(`${attempt}/${name}`)));
}
