import penalisedCode from '../../shaders/penalised.wgsl';
import penaltyBlocksCode from '../../shaders/penalty_blocks.wgsl';
import penaltyGradientCode from '../../shaders/penalty_gradient.wgsl';
import { DeviceArray } from './array.ts';
import { BLOCK } from './blocks.ts';
import { sumAll } from './reduce.ts';
import { elementwise, runKernel, strided } from './run.ts';

/**
 * The sum of the penalties l1 sum|w| + l2 sum w^2 -> [] of a range of the flat buffers, weight [blocks * 64], that begins with
 * block `first`; coefficients [blocks of the whole buffer, 2] as (l1, l2). Memory-bound.
 */
export function penaltyValue(weight: DeviceArray, coefficients: DeviceArray, first: number): DeviceArray {
  const blocks = weight.size / BLOCK;
  const { device, models } = weight;
  const partial = DeviceArray.empty(device, [blocks], { models });
  const source = { name: 'penalty_blocks', code: penaltyBlocksCode };
  runKernel(device, source, [blocks, first], [weight, coefficients, partial], elementwise(blocks, models));
  const total = sumAll('penalty', partial);
  partial.dispose();
  return total;
}

/** gradient += l1 sign(w) + 2 l2 w, for a range of the flat buffers that begins with block `first`. Memory-bound. */
export function addPenaltyGradient(
  weight: DeviceArray,
  coefficients: DeviceArray,
  gradient: DeviceArray,
  first: number,
): void {
  const source = { name: 'penalty_gradient', code: penalisedCode + penaltyGradientCode };
  const params = [weight.size, first];
  const workgroups = strided(Math.ceil(weight.size / 4));
  const work = { bytes: 12 * weight.size };
  runKernel(weight.device, source, params, [coefficients, weight, gradient], workgroups, work);
}
