import { expect, test } from 'vitest';
import { ArgumentError, DataError, decodeSafetensors, encodeSafetensors, type NdArray } from '../../src/node.ts';
import { bytesOf, safetensorsFile, textOf, textOfPython } from '../golden/files/files.ts';

const golden = bytesOf(safetensorsFile.file);

test('reads files of the safetensors package, with every type', () => {
  const { tensors, metadata } = decodeSafetensors(golden);
  expect(metadata).toEqual({ 'made by': 'safetensors é世' });
  expect([...tensors.keys()].sort()).toEqual(Object.keys(safetensorsFile.tensors).sort());
  for (const [name, { shape, values }] of Object.entries(safetensorsFile.tensors)) {
    const array = tensors.get(name)!;
    expect(array.shape).toEqual(shape);
    expect(textOf(array.data), name).toEqual(textOfPython(values, /^[IUB]\w*\d$|BOOL/.test(name) && name !== 'BF16'));
  }
});

test('every array is read under its name; the largest elements are first in the file', () => {
  const arrays: [string, NdArray][] = [
    ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 3), dtype: 'u8' }],
    ['a "name"\n世', { shape: [], data: Float32Array.of(-0), dtype: 'f32' }],
    ['none', { shape: [2, 0], data: new Int32Array(0), dtype: 'i32' }],
    ['large', { shape: [1, 1], data: BigInt64Array.of(-(2n ** 63n)), dtype: 'i64' }],
    ['__proto__', { shape: [2], data: Uint8Array.of(0, 1), dtype: 'bool' }],
  ];
  const bytes = encodeSafetensors(arrays, { note: 'a note' });
  const { tensors, metadata } = decodeSafetensors(bytes);
  expect(metadata).toEqual({ note: 'a note' });
  expect(new Map(tensors)).toEqual(new Map(arrays));
  const header = new DataView(bytes.buffer).getUint32(0, true);
  expect(header % 8).toBe(0);
  expect(new DataView(bytes.buffer).getBigInt64(8 + header, true)).toBe(-(2n ** 63n));
});

test('metadata of millions of characters', () => {
  const state = '{"a\\": [1, "'.repeat(1e6);
  expect(decodeSafetensors(encodeSafetensors([], { state })).metadata).toEqual({ state });
});

test('files without tensors, and without metadata', () => {
  expect(decodeSafetensors(encodeSafetensors([]))).toEqual({ tensors: new Map(), metadata: {} });
});

test('throws for a file truncated at any byte', () => {
  for (const length of [0, 7, 8, 100, golden.length - 50, golden.length - 1]) {
    expect(() => decodeSafetensors(golden.slice(0, length), 'a.safetensors')).toThrow(DataError);
    expect(() => decodeSafetensors(golden.slice(0, length), 'a.safetensors')).toThrow(/a\.safetensors is cut short/);
  }
});

/** A file with this header, followed by this number of bytes. */
function file(header: string | object, length = 0, size?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + length);
  new DataView(bytes.buffer).setBigUint64(0, size ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
const tensor = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
test.each<[what: string, bytes: Uint8Array, says: RegExp]>([
  ['tensors that overlap', file({ a: tensor(0, 8), b: tensor(4, 12) }, 12), /tensor b overlaps.*byte 4 instead of 8/],
  ['a gap', file({ a: tensor(0, 4), b: tensor(8, 12) }, 12), /tensor b leaves a gap.*byte 8 instead of 4/],
  ['a gap at the beginning', file({ a: tensor(4, 8) }, 8), /tensor a leaves a gap/],
  ['a tensor beyond the end', file({ a: tensor(0, 8) }, 4), /cut short: tensor a has the bytes 0 to 8.*there are 4/],
  ['bytes outside all tensors', file({ a: tensor(0, 4) }, 9), /5 bytes that belong to no tensor/],
  ['a name twice', file('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\\u0061" : 3}'), /a occurs twice/],
  ['a huge header', file('{}', 0, 2n ** 40n), /1099511627776 bytes, more than the 100000000 allowed/],
  ['no JSON', file('{"a":'), /not valid JSON/],
  ['no UTF-8', file('{}').with(9, 0xff), /not valid JSON/],
  ['a list', file('[]'), /must be a JSON object/],
  ['a tensor without shape', file({ a: { dtype: 'F32' } }), /tensor a needs dtype, shape and data_offsets/],
  ['another size', file({ a: tensor(0, 8, [3]) }, 8), /tensor a: shape \[3\] of F32 takes 12 bytes, but it has 8/],
  ['a negative size', file({ a: tensor(0, 4, [-1, -1]) }, 4), /integers from 0 up/],
  ['offsets the wrong way round', file({ a: tensor(4, 0, [1]) }, 4), /integers from 0 up/],
  ['an offset that is not an integer', file({ a: tensor(0.5, 4.5, [1]) }, 4), /integers from 0 up/],
  ['an unknown type', file({ a: tensor(0, 4, [4], 'F8_E4M3') }, 4), /tensor a: elements of type F8_E4M3/],
  [
    'a type with the name of an object member',
    file({ a: tensor(0, 4, [4], 'toString') }, 4),
    /elements of type toString/,
  ],
  ['metadata that is not text', file({ __metadata__: { a: 1 } }), /metadata must be text/],
])('throws for %s', (_, bytes, says) => {
  expect(() => decodeSafetensors(bytes)).toThrow(DataError);
  expect(() => decodeSafetensors(bytes)).toThrow(says);
});

test('throws for values that cannot be written', () => {
  const array = { shape: [1], data: new Float32Array(1) };
  for (const [tensors, metadata, says] of [
    [[['__metadata__', array]], {}, /cannot be called __metadata__/],
    [
      [
        ['a', array],
        ['a', array],
      ],
      {},
      /cannot be called a/,
    ],
    [[['a', array]], { epoch: 3 }, /metadata is text, but epoch is 3/],
    [[['a', { shape: [1], data: [1] }]], {}, /encodeSafetensors: a: data must be a typed array/],
  ] as [never, never, RegExp][]) {
    expect(() => encodeSafetensors(tensors, metadata)).toThrow(ArgumentError);
    expect(() => encodeSafetensors(tensors, metadata)).toThrow(says);
  }
});
