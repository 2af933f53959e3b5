import foldCode from '../../../shaders/norm/fold_batch_norm.wgsl';
import type { DeviceArray } from '../array.ts';
import { f32Bits, gridStrideWorkgroups, output, runKernel, vectorized, vectorWidthFor } from '../run.ts';

/** A batch normalization with fixed statistics; all arrays are f32 [C]. */
export interface FixedNormalization {
  scale: DeviceArray;
  offset: DeviceArray;
  mean: DeviceArray;
  variance: DeviceArray;
  epsilon: number;
}

/**
 * Weights of a convolution that computes another convolution and the batch normalization after it, up to rounding. Memory-bound.
 * @param filter f32 with C output channels along its last axes: [KH,KW,Ci,C], or of a depthwise convolution [KH,KW,Ci,M] with C = Ci * M
 * @param bias f32 [C] or null
 * @returns a filter of the same shape, and a bias [C]
 */
export function foldBatchNorm(
  filter: DeviceArray,
  bias: DeviceArray | null,
  { scale, offset, mean, variance, epsilon }: FixedNormalization,
): { filter: DeviceArray; bias: DeviceArray } {
  const { device, replicas } = filter;
  const folded = output(device, filter.shape, replicas);
  const foldedBias = output(device, scale.shape, replicas);
  const vectorWidth = vectorWidthFor(scale.size);
  runKernel(
    device,
    vectorized('fold_batch_norm', foldCode, vectorWidth),
    [filter.size / vectorWidth, scale.size / vectorWidth, f32Bits(epsilon), bias ? 1 : 0],
    [filter, bias ?? mean, scale, offset, mean, variance, folded, foldedBias],
    gridStrideWorkgroups(filter.size / vectorWidth, replicas),
  );
  return { filter: folded, bias: foldedBias };
}
