import exclusiveSumsCode from '../../../shaders/gather/exclusive_sums.wgsl';
import countCode from '../../../shaders/gather/sort_count.wgsl';
import paramsCode from '../../../shaders/gather/sort_params.wgsl';
import placeCode from '../../../shaders/gather/sort_place.wgsl';
import { DeviceArray } from '../array.ts';
import { elementwiseWorkgroups, runKernel } from '../run.ts';

/** Most bits of a digit. In a pass, each position is read once for each of the 2^5 values of its digit. */
const DIGIT_BITS = 5;
/** Fewest positions that an invocation processes. */
const MIN_STRIP = 64;

/**
 * Sorts the positions of keys, u32 or i32 [...], by key and then by position -> u32 [keys.size]. Keys above `largest`, including negative
 * ones, count as `largest`.
 *
 * A radix sort: for each digit of up to 5 bits, from the lowest, it counts the digits of each strip of positions, adds up the counts, and
 * moves the positions. It uses no atomics, and a stable order is unique, so the result is deterministic. About 2^6 loads for each key and
 * digit. Memory-bound.
 */
export function sortPositions(keys: DeviceArray, largest: number): DeviceArray {
  const { device, replicas } = keys;
  const count = keys.size;
  const bits = 32 - Math.clz32(largest);
  const passes = Math.max(1, Math.ceil(bits / DIGIT_BITS));
  const digitBits = Math.max(1, Math.ceil(bits / passes));
  const digits = 2 ** digitBits;
  const strip = Math.max(MIN_STRIP, Math.ceil(Math.sqrt(count) / 4));
  const strips = Math.ceil(count / strip);
  const counts = DeviceArray.empty(device, [digits * strips], { dtype: 'u32', replicas });
  let order: DeviceArray | null = null;
  for (let pass = 0; pass < passes; pass++) {
    const params = [count, strip, strips, digits, pass * digitBits, largest, order ? 0 : 1];
    const grid = elementwiseWorkgroups(digits * strips, replicas);
    const before = order ?? keys; // a binding must hold something
    const sorted = DeviceArray.empty(device, [count], { dtype: 'u32', replicas });
    runKernel(device, source('sort_count', countCode), params, [keys, before, counts], grid);
    runKernel(device, { name: 'exclusive_sums', code: exclusiveSumsCode }, [counts.size], [counts], [1, 1, replicas]);
    runKernel(device, source('sort_place', placeCode), params, [keys, before, counts, sorted], grid);
    order?.dispose();
    order = sorted;
  }
  counts.dispose();
  return order!;
}

const source = (name: string, code: string) => ({ name, code: `${code}\n${paramsCode}` });
