import { checkObject, checkShape, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../kernels/array.ts';

/** Typed array for each element type. 64-bit integers are BigInts, so that none is rounded; `bool` is 0 or 1 in a byte. */
const ARRAY_TYPES = {
  f64: Float64Array,
  f32: Float32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  i32: Int32Array,
  u32: Uint32Array,
  i16: Int16Array,
  u16: Uint16Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const;

/**
 * Types of elements in files: floats, integers of 8 to 64 bits with and without sign, and `bool`.
 * @useDeclaredType
 */
export type ElementType = keyof typeof ARRAY_TYPES;
/**
 * Elements on the host. 64-bit integers are BigInts, so that none is rounded; `bool` is 0 or 1 in a byte.
 * @useDeclaredType
 */
export type ArrayData = InstanceType<(typeof ARRAY_TYPES)[ElementType]>;

/** Values on the host, row-major: what `.npy` and safetensors files hold. */
export interface NdArray {
  /** Sizes along the axes. */
  shape: Shape;
  /** The elements in row-major order. */
  data: ArrayData;
  /** Type of the elements. */
  dtype: ElementType;
}

/** An array to write. */
export type NdArrayLike = Omit<NdArray, 'dtype'> & {
  /** Type of the elements; default: that of `data`. Needed only for `bool`. */
  dtype?: ElementType;
};

/** Element type in a file; half floats become f32 on the host. */
export type StoredType = ElementType | 'f16' | 'bf16';

/** Bytes of one element in a file. */
export const bytesOf = (type: StoredType): number =>
  type === 'f16' || type === 'bf16' ? 2 : ARRAY_TYPES[type].BYTES_PER_ELEMENT;

/** @throws ArgumentError unless `bytes` is a Uint8Array */
export function checkBytes(subject: string, bytes: Uint8Array): void {
  if (bytes instanceof Uint8Array) return;
  throw new ArgumentError(`${subject}: the bytes of a file are a Uint8Array, but ${formatValue(bytes)} was given`);
}

/**
 * @param subject begins the message
 * @throws ArgumentError if data is not a typed array or not of `dtype`; ShapeError if the shape has another size
 */
export function checkNdArray(subject: string, array: NdArrayLike): NdArray {
  checkObject(subject, array);
  const { shape, data, dtype } = tryRead(subject, () => ({ ...array }));
  const inferred = (Object.keys(ARRAY_TYPES) as ElementType[]).find((type) => data instanceof ARRAY_TYPES[type]);
  if (!inferred)
    throw new ArgumentError(`${subject}: data must be a typed array such as Float32Array, but is ${formatValue(data)}`);
  const type = dtype ?? inferred;
  if (!(data instanceof (ARRAY_TYPES[type] ?? Array))) {
    throw new ArgumentError(`${subject}: dtype ${formatValue(dtype)} does not match a ${data.constructor.name}`);
  }
  checkShape(subject, shape);
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${subject}: shape ${showShape(shape)} has ${sizeOf(shape)} elements, but data has ${data.length}`,
    );
  }
  return { shape, data, dtype: type };
}

/** Returns the bytes of an array in little-endian order, as files store them. */
export function bytesOfData({ data }: NdArray): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return littleEndianHost ? bytes : swapBytes(bytes, data.BYTES_PER_ELEMENT);
}

/** Returns elements from the bytes of a file. It copies them, because they may be unaligned (and `slice` of a Buffer is no copy). */
export function dataOf(bytes: Uint8Array, stored: StoredType, littleEndian = true): Omit<NdArray, 'shape'> {
  const size = bytesOf(stored);
  const { buffer } = littleEndian === littleEndianHost ? new Uint8Array(bytes) : swapBytes(bytes, size);
  if (stored === 'f16') return { dtype: 'f32', data: Float32Array.from(new Uint16Array(buffer), halfToNumber) };
  if (stored === 'bf16') {
    const bits = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16);
    return { dtype: 'f32', data: new Float32Array(bits.buffer) };
  }
  return { dtype: stored, data: new ARRAY_TYPES[stored](buffer) };
}

const littleEndianHost = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Returns a copy with the bytes of each element in reverse order. */
function swapBytes(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) result[i] = bytes[i - (i % size) + size - 1 - (i % size)]!;
  return result;
}

/** The value of IEEE binary16 bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
