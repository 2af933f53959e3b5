import { checkText } from '../base/check.ts';
import { DataError } from '../base/errors.ts';
import { type Shape, sizeOf } from '../kernels/array.ts';
import {
  type ArrayData,
  bytesOf,
  bytesOfData,
  checkBytes,
  checkNdArray,
  dataOf,
  type ElementType,
  type NdArray,
  type NdArrayLike,
  type StoredType,
} from './nd-array.ts';

const MAGIC = '\x93NUMPY';
/** Longer headers are refused, as NumPy does: no array of numbers has one. */
const MAX_HEADER = 10_000;

/** NumPy's names of the types, without the byte order. */
const TYPES: Record<string, StoredType> = {
  f2: 'f16',
  f4: 'f32',
  f8: 'f64',
  i1: 'i8',
  i2: 'i16',
  i4: 'i32',
  i8: 'i64',
  u1: 'u8',
  u2: 'u16',
  u4: 'u32',
  u8: 'u64',
  b1: 'bool',
};
const nameOf = (type: ElementType) => Object.keys(TYPES).find((name) => TYPES[name] === type)!;

/** Encodes an array as NumPy's `.npy` (version 1.0, little endian, C order), as `numpy.save` does. @throws ArgumentError, ShapeError */
export function encodeNpy(array: NdArrayLike): Uint8Array<ArrayBuffer> {
  const checked = checkNdArray('encodeNpy', array);
  const { shape, dtype } = checked;
  const order = bytesOf(dtype) === 1 ? '|' : '<';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '${order}${nameOf(dtype)}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10; // data begins at a multiple of 64
  const bytes = new Uint8Array(10 + length + checked.data.byteLength);
  bytes.set([...MAGIC].map((c) => c.charCodeAt(0)));
  bytes.set([1, 0, length & 255, length >> 8], 6);
  bytes.set(new TextEncoder().encode(`${header.padEnd(length - 1)}\n`), 10);
  bytes.set(bytesOfData(checked), 10 + length);
  return bytes;
}

/**
 * Decodes NumPy's `.npy`, versions 1 to 3, in any byte order. Half floats become f32, Fortran order becomes C order.
 * @param name name of the file, for messages
 * @throws DataError for other files, for one that is cut short, and for element types that are not supported
 */
export function decodeNpy(bytes: Uint8Array, name = 'npy'): NdArray {
  checkBytes('decodeNpy', bytes);
  checkText('decodeNpy: name', name);
  const { header, start } = headerOf(bytes, name);
  const { stored, littleEndian, fortranOrder, shape } = parseHeader(header, name);
  const expected = sizeOf(shape) * bytesOf(stored);
  const found = bytes.length - start;
  if (found !== expected) {
    const problem = found < expected ? 'is cut short' : 'has bytes after its end';
    throw new DataError(
      `${name} ${problem}: its header states ${expected} bytes of data (shape (${shape.join(', ')})), but there are ${found}`,
    );
  }
  const { dtype, data } = dataOf(bytes.subarray(start), stored, littleEndian);
  return { shape, dtype, data: fortranOrder && shape.length > 1 ? rowMajor(data, shape) : data };
}

function headerOf(bytes: Uint8Array, name: string): { header: string; start: number } {
  if (String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) {
    throw new DataError(`${name} is not a .npy file: it does not begin with \\x93NUMPY`);
  }
  const version = bytes[6] ?? 0;
  if (bytes.length >= 8 && (version < 1 || version > 3)) {
    throw new DataError(`${name}: .npy version ${version}.${bytes[7]} is not supported; 1.0, 2.0 and 3.0 are`);
  }
  const isWide = version > 1;
  const headerStart = isWide ? 12 : 10;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start =
    bytes.length < headerStart
      ? headerStart
      : headerStart + (isWide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (bytes.length < start) {
    throw new DataError(`${name} is cut short: it has ${bytes.length} bytes, but its header alone needs ${start}`);
  }
  if (start - headerStart > MAX_HEADER) {
    throw new DataError(
      `${name}: its .npy header has ${start - headerStart} bytes; at most ${MAX_HEADER} are read, as by NumPy`,
    );
  }
  return { header: new TextDecoder().decode(bytes.subarray(headerStart, start)), start };
}

/** The header is a Python dictionary; NumPy writes these three keys, in any order. */
function parseHeader(header: string, name: string) {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|([[(].*?[\])])\s*,\s*['"}])/.exec(header);
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header);
  const tuple = /['"]shape['"]\s*:\s*\(([\s\dL,]*)\)/.exec(header);
  if (!descr || !fortran || !tuple) {
    throw new DataError(
      `${name}: the .npy header needs descr, fortran_order and shape, but is ${JSON.stringify(header.slice(0, 200))}`,
    );
  }
  const [, order, type] = /^([<>|=]?)(\w+)$/.exec(descr[1] ?? '') ?? [];
  const stored = Object.hasOwn(TYPES, type ?? '') ? TYPES[type!] : undefined;
  if (!stored) {
    throw new DataError(
      `${name}: elements of type ${descr[1] ?? descr[2]} are not supported; those of ${Object.keys(TYPES).join(', ')} are`,
    );
  }
  const shape = (tuple[1]!.match(/\d+/g) ?? []).map(Number);
  if (!Number.isSafeInteger(sizeOf(shape)))
    throw new DataError(`${name}: no array has the shape (${shape.join(', ')})`);
  return { stored, littleEndian: order !== '>', fortranOrder: fortran[1] === 'True', shape };
}

/** Reorders elements from column-major to row-major order. */
function rowMajor(data: ArrayData, shape: Shape): ArrayData {
  const result = data.slice();
  const steps = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  const index = shape.map(() => 0);
  let source = 0;
  for (let target = 0; target < data.length; target++) {
    result[target] = data[source]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      source -= shape[axis]! * steps[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
