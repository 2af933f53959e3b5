import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import dropoutCode from '../../../shaders/random/dropout.wgsl';
import perReplicaCode from '../../../shaders/random/dropout_per_replica.wgsl';
import sharedCode from '../../../shaders/random/dropout_shared.wgsl';
import philoxCode from '../../../shaders/random/philox.wgsl';
import { keyOf, PURPOSES, type Seeds, seedOf } from '../../base/random.ts';
import type { DeviceArray } from '../array.ts';
import { type StepState, stateOf } from '../optimizers/step-state.ts';
import { checkDType, f32Bits, gridStrideWorkgroups, output, runKernel } from '../run.ts';

/** The values that determine which elements are dropped. */
export interface DropoutDraw {
  /** One rate for all replicas, or one for each. */
  rate: number | readonly number[];
  seed: Seeds;
  layer: number;
  /** A number, or the uniform that a recorded step reads its number from. */
  step: number | StepState;
}

/** Elements whose 32 random bits are below this are dropped. */
export const dropoutThreshold = (rate: number): number => Math.min(Math.ceil(rate * 2 ** 32), 2 ** 32 - 1);

/**
 * Sets elements to 0 with probability `rate` and scales the others by 1 / (1 - rate); its own gradient. Memory-bound.
 * @param options.dropped whether the dropped elements of x are already 0, so that nothing is drawn
 */
export function dropout(
  x: DeviceArray,
  { rate, seed, layer, step }: DropoutDraw,
  { into, dropped = false }: { into?: DeviceArray; dropped?: boolean } = {},
): DeviceArray {
  checkDType('dropout', 'the input', x, 'f32');
  const y = output(x.device, x.shape, x.replicas, into);
  const rateWords = (r: number) => [dropped ? 0 : dropoutThreshold(r), f32Bits(1 / (1 - r))];
  const isShared = typeof rate === 'number' && typeof seed === 'number';
  const shared = isShared ? [...keyOf(seed), ...rateWords(rate)] : [0, 0, 0, 0];
  const draws = Array.from({ length: isShared ? 0 : x.replicas }, (_, replica) => [
    ...keyOf(seedOf(seed, replica)),
    ...rateWords(typeof rate === 'number' ? rate : rate[replica]!),
  ]);
  runKernel(
    x.device,
    {
      name: isShared ? 'dropout' : 'dropout_per_replica',
      code: stateCode + philoxCode + dropoutCode + (isShared ? sharedCode : perReplicaCode),
    },
    [x.size, layer, PURPOSES.dropout, ...shared],
    [stateOf(x.device, step), x, y, ...(isShared ? [] : [x.device.uniform(Uint32Array.from(draws.flat()))])],
    gridStrideWorkgroups(Math.ceil(x.size / 4), x.replicas),
  );
  return y;
}
