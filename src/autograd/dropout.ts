import { checkF32, checkOptions, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import * as kernels from '../kernels/dropout.ts';
import { StepState } from '../kernels/step-state.ts';
import { checkSeed } from '../random.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

export interface DropoutOptions {
  /** Probability of each element to be dropped: from 0 up, below 1. */
  rate: number;
  /** Default 0. */
  seed?: number;
  /** Number of the dropout in its network, so that several draw different numbers. Default 0. */
  layer?: number;
  /** Number of the training step, or the step's uniform, which a recorded step reads anew at every run. Default 0. */
  step?: number | StepState;
}

const isU32 = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;

/**
 * Inverted dropout, as in training: elements are dropped with probability `rate`, the others scaled so that the mean stays.
 * Which ones depends on seed, layer, step and position alone; model r of several draws by seed + r. A dropped NaN or infinity is 0, as in Keras (in
 * PyTorch NaN). At inference, leave it out.
 *
 *     y = x / (1 - rate) where kept, 0 where dropped      dx = dy / (1 - rate) where kept, 0 where dropped
 *
 * The backward pass draws the same numbers again; no mask is stored.
 * @throws ArgumentError
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  checkOptions('dropout', options, { rate: true, seed: true, layer: true, step: true });
  const { rate, seed = 0, layer = 0, step = 0 } = options;
  if (typeof rate !== 'number' || !(rate >= 0 && rate < 1)) {
    throw new ArgumentError(`dropout: rate must be a number from 0 up and below 1, but is ${show(rate)}`);
  }
  checkF32('dropout: rate', rate);
  if (typeof seed !== 'number') throw new ArgumentError(`dropout: the seed must be a number, but is ${show(seed)}`);
  checkSeed(seed, 'dropout');
  if (!isU32(layer)) throw new ArgumentError(`dropout: layer must be an integer from 0 up, but is ${show(layer)}`);
  if (!isU32(step) && !(step instanceof StepState)) {
    throw new ArgumentError(`dropout: step must be an integer from 0 up or a StepState, but is ${show(step)}`);
  }
  const draw = { rate, seed, layer, step };
  const input = arrayOf('dropout', 'the input', x);
  const y = kernels.dropout(input, draw);
  const result = taped(y, [x], (dy, { into }) => {
    // Where a ReLU's output is not above 0 after this, it was not before, or was dropped: what comes through that is 0 at both.
    const through = x.rectified && dy.throughRelu === y;
    const dx = kernels.dropout(dy, draw, { into: into(0), dropped: through });
    if (through) dx.throughRelu = input;
    return [dx];
  });
  result.rectified = x.rectified;
  return result;
}
