import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ArgumentError,
  DataError,
  decodeNpy,
  encodeNpy,
  FileError,
  loadNpy,
  type NdArrayLike,
  ShapeError,
  saveNpy,
} from '../../src/node.ts';
import { bytesOf, npyFiles, textOf, textOfPython } from '../golden/files/files.ts';

const isInteger = (name: string) => /[iub]\d$/.test(name);

test.each(Object.entries(npyFiles.read))("reads NumPy's file: %s", (name, { file, shape, values }) => {
  const array = decodeNpy(bytesOf(file), name);
  expect(array.shape).toEqual(shape);
  expect(textOf(array.data)).toEqual(textOfPython(values, isInteger(name) || array.dtype.startsWith('i')));
});

test.each(Object.entries(npyFiles.read).filter(([name]) => /^<(?!f2)..$|scalar|one axis|no elements/.test(name)))(
  "writes NumPy's bytes: %s",
  (name, { file }) => expect(encodeNpy(decodeNpy(bytesOf(file), name))).toEqual(bytesOf(file)),
);

test.each(Object.entries(npyFiles.refused))('throws for elements of type %s', (_, file) => {
  expect(() => decodeNpy(bytesOf(file), 'x.npy')).toThrow(DataError);
  expect(() => decodeNpy(bytesOf(file), 'x.npy')).toThrow(/^x\.npy: elements of type .*f2, f4, f8/);
});

test('reads a file at any offset of a buffer', () => {
  const file = bytesOf(npyFiles.read['<f8']!.file);
  const shifted = new Uint8Array(file.length + 3);
  shifted.set(file, 3);
  expect(decodeNpy(shifted.subarray(3))).toEqual(decodeNpy(file));
  expect(decodeNpy(Buffer.from(shifted.buffer, 3))).toEqual(decodeNpy(file));
});

test('arrays of any shape are written and read', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 5 }), (shape) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
      expect(decodeNpy(encodeNpy({ shape, data }))).toEqual({ shape, data, dtype: 'f32' });
    }),
  );
});

test('files: are written with their parent folders and read; errors have their names', () => {
  const root = mkdtempSync(join(tmpdir(), 'tilegrad-npy-'));
  try {
    const path = join(root, 'new', 'a.npy');
    const array = { shape: [2], data: BigInt64Array.of(1n, -(2n ** 63n)) };
    saveNpy(path, array);
    expect(loadNpy(path)).toEqual({ ...array, dtype: 'i64' });
    expect(readdirSync(join(root, 'new'))).toEqual(['a.npy']);
    expect(() => loadNpy(root)).toThrow(FileError);
    expect(() => loadNpy(root)).toThrow(/cannot read .*: it is a folder/);
    expect(() => saveNpy(join(path, 'x'), array)).toThrow(/cannot write .*x: a part of the path is a file/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

const good = encodeNpy({ shape: [2, 3], data: new Float32Array(6) });
test('throws for a file truncated at any byte', () => {
  for (let length = 6; length < good.length; length++) {
    expect(() => decodeNpy(good.slice(0, length), 'a.npy')).toThrow(DataError);
    expect(() => decodeNpy(good.slice(0, length), 'a.npy')).toThrow(/a\.npy is cut short/);
  }
});

/** A file of one f32 with this header. */
const withHeader = (header: string) => {
  const text = new TextEncoder().encode(header);
  return new Uint8Array([...good.slice(0, 8), text.length, 0, ...text, 0, 0, 0, 0]);
};
test.each<[what: string, bytes: Uint8Array, says: RegExp]>([
  ['no npy', new TextEncoder().encode('PK, a zip'), /is not a \.npy file/],
  ['nothing', new Uint8Array(), /is not a \.npy file/],
  ['version 4', good.with(6, 4), /version 4\.0 is not supported/],
  ['version 0', good.with(6, 0), /version 0\.0 is not supported/],
  ['bytes after the end', new Uint8Array([...good, 0]), /after its end.*24 bytes.*25/],
  ['an invalid header', withHeader('hello'), /header needs descr, fortran_order and shape.*hello/],
  ['no shape', withHeader("{'descr': '<f4', 'fortran_order': False, }"), /header needs descr, fortran_order and shape/],
  [
    'a negative size',
    withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
    /header needs descr, fortran_order and shape/,
  ],
  [
    'too many elements',
    withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    /no array has the shape/,
  ],
  [
    'a shape that does not end',
    withHeader(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1'.repeat(60)}`),
    /header needs descr, fortran_order and shape/,
  ],
  [
    'a type called as an object has it',
    withHeader("{'descr': '<constructor', 'fortran_order': False, 'shape': (1,), }"),
    /elements of type <constructor/,
  ],
  ['objects', withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), /elements of type \|O/],
])('throws for %s', (_, bytes, says) => {
  expect(() => decodeNpy(bytes)).toThrow(DataError);
  expect(() => decodeNpy(bytes)).toThrow(says);
});

test('reads keys in any order', () => {
  expect(decodeNpy(withHeader(`{"shape": (1L,), 'fortran_order': False, "descr": "=f4"}`))).toEqual({
    shape: [1],
    data: new Float32Array(1),
    dtype: 'f32',
  });
});

test.each<[what: string, array: unknown, error: new (...args: never[]) => Error, says: RegExp]>([
  ['a list', { shape: [1], data: [1] }, ArgumentError, /data must be a typed array/],
  ['another size', { shape: [2, 2], data: new Float32Array(3) }, ShapeError, /\[2,2\] has 4 elements, but data has 3/],
  ['no shape', { shape: 3, data: new Float32Array(3) }, ArgumentError, /a shape is a list/],
  ['another type', { shape: [3], data: new Float32Array(3), dtype: 'u8' }, ArgumentError, /"u8" does not match/],
  ['an unknown type', { shape: [3], data: new Float32Array(3), dtype: 'f3' }, ArgumentError, /"f3" does not match/],
])('throws for writing %s', (_, array, error, says) => {
  expect(() => encodeNpy(array as NdArrayLike)).toThrow(error);
  expect(() => encodeNpy(array as NdArrayLike)).toThrow(says);
});
