import copyCode from '../../shaders/copy_vec4.wgsl';
import chainsCode from '../../shaders/probe/fma_chains.wgsl';
import type { DeviceArray } from './array.ts';
import { gridStrideWorkgroups, runKernel } from './run.ts';

// Kernels that reach the adapter's limits of arithmetic and of memory; tuner/ceiling.ts times them.

/** Workgroups of `fmaChains`: enough to fill any adapter. */
export const FMA_GROUPS = 512;
/** Invocations of `fmaChains`; each writes one value of the output. */
export const FMA_INVOCATIONS = 64 * FMA_GROUPS;
/** Multiply-adds in the body of the shader's loop. */
const FMAS_PER_ROUND = 96;

/** Multiply-adds in registers, into y [FMA_LANES]. Compute-bound. @returns its floating-point operations */
export function fmaChains(y: DeviceArray, rounds: number): number {
  const flops = 2 * FMAS_PER_ROUND * rounds * FMA_INVOCATIONS;
  const source = { name: 'fma_chains', code: chainsCode };
  runKernel(y.device, source, [rounds, 0, 0, 0], [y], [FMA_GROUPS, 1, 1], { flops });
  return flops;
}

/** y = x, both of a size that is a multiple of four. Memory-bound. @returns bytes read and written */
export function copyVec4(x: DeviceArray, y: DeviceArray): number {
  const source = { name: 'copy_vec4', code: copyCode };
  runKernel(x.device, source, [x.size / 4, 0, 0, 0], [x, y], gridStrideWorkgroups(x.size / 4));
  return 8 * x.size;
}
