import { formatValue } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { type DType, type HostArray, type Shape, sameShape, showShape, sizeOf } from '../kernels/array.ts';
import { conversionHint, type Numbers, readNumbers, toNumber } from './host-data.ts';

/**
 * Converts host data to a typed array for a tensor of the given shape and type.
 * @param subject begins the messages
 * @throws ShapeError if counts or shapes differ; ArgumentError for a value that does not fit the type
 */
export function readValues(
  subject: string,
  data: Numbers,
  { shape, dtype, replicas }: { shape: Shape; dtype: DType; replicas: number },
): HostArray {
  const size = replicas * sizeOf(shape);
  const copies = replicas > 1 ? ` x ${replicas} replicas` : '';
  const numbers = readNumbers(`${subject}: data`, data);
  if (numbers.shape && !sameShape(numbers.shape, replicas > 1 ? [replicas, ...shape] : shape)) {
    throw new ShapeError(
      `${subject}: shape ${showShape(shape)}${copies} was asked for, but the data has shape ${showShape(numbers.shape)}`,
    );
  }
  if (numbers.flat.length !== size) {
    throw new ShapeError(
      `${subject}: shape ${showShape(shape)}${copies} needs ${size} values, but ${numbers.flat.length} were given`,
    );
  }
  return toHostArray(subject, numbers.flat, dtype);
}

/** Converts numbers to a typed array of a type. @throws ArgumentError for a value that is not a number, or does not fit the type */
export function toHostArray(subject: string, data: ArrayLike<unknown>, dtype: DType): HostArray {
  if (dtype === 'f32' && data instanceof Float32Array) return data as Float32Array<ArrayBuffer>;
  const ArrayType = { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[dtype];
  const [low, high] = dtype === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff];
  const array = new ArrayType(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = toNumber(data, i);
    if (value === null) {
      throw new ArgumentError(
        `${subject}: the value at position ${i} is ${formatValue(data[i])}, ${conversionHint(data[i])}`,
      );
    }
    if (dtype !== 'f32' && (!Number.isInteger(value) || value < low || value > high)) {
      throw new ArgumentError(`${subject}: ${value} at position ${i} does not fit ${dtype} (${low} to ${high})`);
    }
    array[i] = value;
    if (dtype === 'f32' && Math.abs(array[i]!) === Number.POSITIVE_INFINITY && Number.isFinite(value)) {
      throw new ArgumentError(`${subject}: ${value} at position ${i} does not fit f32 (at most 3.4e38 in size)`);
    }
  }
  return array;
}
