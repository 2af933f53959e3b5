import momentsCode from '../../../shaders/reduce/moments.wgsl';
import type { DeviceArray } from '../array.ts';
import { checkDType, checkRank, checkSameShape, commonReplicas, runKernel } from '../run.ts';
import { withLongSums } from './long-sums.ts';

/** Invocations that share a column (shaders/reduce/moments.wgsl). */
const GROUP = 64;
const LEVELS = 5;
/** u32 words of a column: shift and number of batches; then count, mean, deviations and errors of each level. */
export const MOMENTS_WORDS = 2 + 4 * LEVELS;

/**
 * Adds a batch to the moments of each column, u32 [MOMENTS_WORDS * columns]: output and target f32 [N, columns] (shaders/reduce/moments.wgsl).
 * Memory-bound.
 */
export function accumulateMoments(y: DeviceArray, target: DeviceArray, moments: DeviceArray): void {
  checkRank('moments', 'the output', y, 2, 'batch, columns');
  checkSameShape('moments', y, target);
  checkDType('moments', 'the moments', moments, 'u32');
  const replicas = commonReplicas('moments', [y, target, moments]);
  const [rows, columns] = [y.shape[0]!, y.shape[1]!];
  const source = withLongSums({ name: 'moments', code: momentsCode }, Math.ceil(rows / GROUP));
  const x = Math.min(columns, 32768);
  runKernel(y.device, source, [rows, columns], [y, target, moments], [x, Math.ceil(columns / x), replicas]);
}

/** Of a column: number of targets t, sum (t - mean)^2 and sum (t - output)^2. */
export interface Moments {
  count: number;
  deviations: number;
  errors: number;
}

/** Joins the levels of a column in float64, as the kernel joins batches. @param words the column's MOMENTS_WORDS */
export function readMoments(words: Uint32Array<ArrayBuffer>): Moments {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const all = { count: 0, mean: 0, deviations: 0, errors: 0 };
  for (let i = 2; i < MOMENTS_WORDS; i += 4) {
    const added = words[i]!;
    if (added === 0) continue;
    const count = all.count + added;
    const d = floats[i + 1]! - all.mean;
    all.deviations += floats[i + 2]! + (d * d * all.count * added) / count;
    all.mean += (d * added) / count;
    all.errors += floats[i + 3]!;
    all.count = count;
  }
  return { count: all.count, deviations: all.deviations, errors: all.errors };
}
