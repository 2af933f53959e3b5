import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { DType } from '../../kernels/array.ts';
import * as kernels from '../../kernels/pointwise/cast.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, Tensor } from '../tensor.ts';

const TYPES: readonly unknown[] = ['f32', 'u32', 'i32'];

/**
 * Converts x to another type. From f32 to integers, the fraction is dropped, values beyond the range become its limits, and NaN becomes 0.
 * Integers become the nearest f32 (exact up to 2^24). Between u32 and i32 the bits stay, as in NumPy.
 * It has no gradient, except from f32 to f32, which returns x without a copy.
 * @throws ArgumentError
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  const array = arrayOf('cast', 'the input', x);
  if (!TYPES.includes(dtype))
    throw new ArgumentError(`cast: the type must be f32, u32 or i32, but is ${formatValue(dtype)}`);
  if (array.dtype !== dtype) return new Tensor(kernels.cast(array, dtype));
  return recordOperator(array.reshape(array.shape), [x], (dy) => [dy.reshape(array.shape)]);
}
