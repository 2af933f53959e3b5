import clipScaleCode from '../../../shaders/optimizers/clip_scale.wgsl';
import clipValueCode from '../../../shaders/optimizers/clip_value.wgsl';
import loadVec4Code from '../../../shaders/optimizers/load_vec4.wgsl';
import scaleBlocksCode from '../../../shaders/optimizers/scale_blocks.wgsl';
import squareBlocksCode from '../../../shaders/optimizers/square_blocks.wgsl';
import { DeviceArray } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import { withLongSums } from '../reduce/long-sums.ts';
import { elementwiseWorkgroups, f32Bits, gridStrideWorkgroups, runKernel, vectorized } from '../run.ts';
import { BLOCK } from './blocks.ts';

/** Clips each element to -limit .. limit, in place. Memory-bound. */
export function clipByValue(gradient: DeviceArray, limit: number): void {
  const n = gradient.replicas * gradient.size;
  const source = withFloatBits({ name: 'clip_value', code: clipValueCode });
  runKernel(gradient.device, source, [n, f32Bits(limit)], [gradient], gridStrideWorkgroups(n), { bytes: 8 * n });
}

/** In `NormTables.segment`: the block is not clipped. */
export const NO_SEGMENT = 0xffffffff;

/** Positions of the blocks of flat gradients, and which blocks share a norm. */
export interface NormTables {
  /** u32 [blocks, 4] for each replica: first element, count, and two unused words. */
  blocks: DeviceArray;
  /** u32 [blocks]: the segment of each block, or NO_SEGMENT. */
  segment: DeviceArray;
  /** u32 [segments, 2]: first block and number of blocks. */
  segments: DeviceArray;
}

/**
 * Scales the flat gradients of each segment in place so that their Euclidean norm is at most `limit`, in three dispatches for any number
 * of segments. The order of additions depends on the tables alone. Memory-bound.
 * @param global whether an infinite norm gives NaN, as in Keras for the norm of all weights. Otherwise steps of zero would hide the failure
 */
export function clipByNorm(gradient: DeviceArray, tables: NormTables, limit: number, global: boolean): void {
  const { device } = gradient;
  const { replicas } = tables.blocks;
  const blocks = tables.blocks.shape[0]!;
  const count = tables.segments.shape[0]!;
  const square = DeviceArray.empty(device, [blocks], { replicas });
  const scale = DeviceArray.empty(device, [count], { replicas });
  runKernel(
    device,
    { name: 'square_blocks', code: loadVec4Code + squareBlocksCode },
    [blocks],
    [gradient, tables.blocks, tables.segment, square],
    elementwiseWorkgroups(blocks, replicas),
  );
  runKernel(
    device,
    withFloatBits(withLongSums(vectorized('clip_scale', clipScaleCode, 1), blocks / 64)),
    [blocks, count, f32Bits(limit), f32Bits(global ? Number.NaN : 0)],
    [square, tables.segments, scale],
    [count, 1, replicas],
  );
  runKernel(
    device,
    { name: 'scale_blocks', code: scaleBlocksCode },
    [blocks, count],
    [tables.blocks, tables.segment, scale, gradient],
    elementwiseWorkgroups(BLOCK * blocks, replicas),
    { bytes: 8 * gradient.size },
  );
  square.dispose();
  scale.dispose();
}
