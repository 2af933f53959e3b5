import { checkF32, checkOptions, formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { readSeeds, type Seeds } from '../../base/random.ts';
import { StepState } from '../../kernels/optimizers/step-state.ts';
import * as kernels from '../../kernels/random/dropout.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/** Options of `dropout`. */
export interface DropoutOptions {
  /** Probability of each element to be dropped: from 0 up, below 1. With several replicas, one for all or a list with one for each. */
  rate: number | readonly number[];
  /** Default 0. Model r of several draws by seed + r, or by seed number r of a list. */
  seed?: Seeds;
  /** Number of the dropout in its network, so that several dropouts draw different numbers. Default 0. */
  layer?: number;
  /** Number of the training step, or its uniform, which a recorded step reads at every run. Default 0. */
  step?: number | StepState;
}

/**
 * A rate of dropout, or one for each model, as a caller gave it.
 * @throws ArgumentError unless each is a number from 0 up and below 1 that 32-bit floats hold
 */
export function readDropoutRate(subject: string, rate: number | readonly number[]): number | readonly number[] {
  const list = readList(subject, rate);
  const isRate = (one: unknown) => typeof one === 'number' && one >= 0 && one < 1;
  if (list?.length === 0 || !(list ?? [rate]).every(isRate)) {
    throw new ArgumentError(
      `${subject}: rate must be a number from 0 up and below 1, or a list of one for each model, but is ${formatValue(rate)}`,
    );
  }
  for (const one of (list ?? [rate]) as number[]) checkF32(`${subject}: rate`, one);
  return (list as number[] | null) ?? rate;
}

const isU32 = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;

/**
 * Inverted dropout, as in training: drops elements with probability `rate` and scales the others to keep the mean.
 * Seed, layer, step and position determine which elements are dropped. A dropped NaN or infinity becomes 0, as in Keras (in
 * PyTorch NaN). Leave it out at inference.
 *
 *     y = x / (1 - rate) where kept, 0 where dropped      dx = dy / (1 - rate) where kept, 0 where dropped
 *
 * The backward pass draws the same numbers again; no mask is stored.
 * @throws ArgumentError; ShapeError for lists that have not an entry for each model
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  checkOptions('dropout', options, { rate: true, seed: true, layer: true, step: true });
  const { layer = 0, step = 0 } = options;
  const rate = readDropoutRate('dropout', options.rate);
  const seed = readSeeds('dropout', options.seed ?? 0);
  if (!isU32(layer))
    throw new ArgumentError(`dropout: layer must be an integer from 0 up, but is ${formatValue(layer)}`);
  checkStep('dropout', step);
  const draw = { rate, seed, layer, step };
  const input = arrayOf('dropout', 'the input', x);
  if (typeof rate !== 'number') checkCount('dropout', 'rates', rate.length, input.replicas);
  if (typeof seed !== 'number') checkCount('dropout', 'seeds', seed.length, input.replicas);
  const y = kernels.dropout(input, draw);
  const result = recordOperator(y, [x], (dy, { into }) => {
    // y is not above 0 where x is not, and where it was dropped. A gradient with the mask of y therefore has the mask of x too.
    const through = x.isReluOutput && dy.appliedReluMask === y;
    const dx = kernels.dropout(dy, draw, { into: into(0), dropped: through });
    if (through) dx.appliedReluMask = input;
    return [dx];
  });
  result.isReluOutput = x.isReluOutput;
  return result;
}

/** @throws ShapeError unless there is one for each model */
export function checkCount(operator: string, argument: string, count: number, replicas: number): void {
  if (count === replicas) return;
  throw new ShapeError(`${operator}: ${count} ${argument} are for as many replicas, but the input has ${replicas}`);
}

/** @throws ArgumentError unless `step` is an integer from 0 up or a StepState */
export function checkStep(operator: string, step: number | StepState): void {
  if (isU32(step) || step instanceof StepState) return;
  throw new ArgumentError(`${operator}: step must be an integer from 0 up or a StepState, but is ${formatValue(step)}`);
}
