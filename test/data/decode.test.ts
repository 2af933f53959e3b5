import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.ts';
import { decodeCifar10 } from '../../src/data/cifar10.ts';
import { decodeIdxImages, decodeIdxLabels } from '../../src/data/idx.ts';
import { cifarBatch, cifarRecord, idx } from './helpers.ts';

describe('CIFAR-10 batches', () => {
  test('decodeCifar10: interleaves planes', () => {
    const only = (c: number, y: number, x: number, value: number) => (cc: number, yy: number, xx: number) =>
      cc === c && yy === y && xx === x ? value : 0;
    const bytes = Buffer.concat([cifarRecord(3, only(1, 2, 5, 200)), cifarRecord(9, only(2, 31, 0, 77))]);
    const { images, labels } = decodeCifar10(bytes, 'b.bin');
    expect([...labels]).toEqual([3, 9]);
    expect(images.length).toBe(2 * 3072);
    const nonzero = [...images.entries()].filter(([, value]) => value !== 0);
    expect(nonzero).toEqual([
      [(2 * 32 + 5) * 3 + 1, 200],
      [3072 + (31 * 32 + 0) * 3 + 2, 77],
    ]);
  });

  test('decodeCifar10: every byte of random batches is at its NHWC position, also in a given array', () => {
    const batch = fc
      .integer({ min: 1, max: 3 })
      .chain((n) => fc.uint8Array({ minLength: n * 3073, maxLength: n * 3073, size: 'max' }));
    fc.assert(
      fc.property(batch, fc.integer({ min: 0, max: 2 }), (bytes, offset) => {
        const n = bytes.length / 3073;
        for (let i = 0; i < n; i++) bytes[i * 3073]! %= 10;
        const into = { images: new Uint8Array((offset + n) * 3072), labels: new Uint8Array(offset + n) };
        decodeCifar10(bytes, 'b.bin', into, offset);
        for (let i = 0; i < n; i++) {
          expect(into.labels[offset + i]).toBe(bytes[i * 3073]);
          for (let p = 0; p < 1024; p++) {
            for (let c = 0; c < 3; c++) {
              if (into.images[(offset + i) * 3072 + p * 3 + c] !== bytes[i * 3073 + 1 + c * 1024 + p]) {
                throw new Error(`image ${i}, pixel ${p}, channel ${c}`);
              }
            }
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  test('decodeCifar10: names file and record of a label above 9', () => {
    expect(() => decodeCifar10(cifarBatch([0, 9, 10]), 'data_batch_2.bin')).toThrow(
      new DataError('data_batch_2.bin: record 2 has label 10; CIFAR-10 labels are 0 to 9'),
    );
  });

  test.each([
    ['one byte short', 2 * 3073 - 1, /has 6145 bytes.*expected 3073 for 1 or 6146 for 2/],
    ['one byte long', 3074, /has 3074 bytes.*expected 3073 for 1 or 6146 for 2/],
    ['empty', 0, /is empty/],
  ])('%s: the error states both sizes', (_, size, message) => {
    const decode = () => decodeCifar10(new Uint8Array(size), 'b.bin');
    expect(decode).toThrow(DataError);
    expect(decode).toThrow(message);
  });
});

describe('IDX', () => {
  test('decodes images and labels from a view that does not start at byte 0', () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
    const shifted = Buffer.concat([Buffer.from([9]), idx([2, 3, 2], data)]).subarray(1);
    const images = decodeIdxImages(shifted, 'i', 3, 2);
    expect(images.dims).toEqual([2, 3, 2]);
    expect([...images.data]).toEqual([...data]);
    expect([...decodeIdxLabels(idx([3], [4, 0, 9]), 'l', 10).data]).toEqual([4, 0, 9]);
  });

  const good = idx([2, 28, 28], new Uint8Array(1568));
  test.each<[string, Uint8Array, RegExp]>([
    ['empty file', new Uint8Array(0), /x is empty/],
    ['two bytes', new Uint8Array(2), /has 2 bytes, an IDX header 16/],
    ['header cut short', good.subarray(0, 10), /has 10 bytes, its IDX header alone 16/],
    ['body cut short', good.subarray(0, 1000), /has 1000 bytes but its header \[2, 28, 28\] promises 1584; it is cut/],
    ['extra bytes', Buffer.concat([good, Buffer.alloc(1)]), /has 1585 bytes .* promises 1584; it has extra bytes/],
    ['label file given for images', idx([2], [0, 1]), /magic number 0x00000801, expected 0x00000803/],
    ['floats', idx([1, 28, 28], new Uint8Array(784), 0xd03), /magic number 0x00000d03/],
    ['no images', idx([0, 28, 28], []), /holds no items/],
    ['other image size', idx([1, 20, 28], new Uint8Array(560)), /images of 20 x 28, expected 28 x 28/],
    ['absurd header', idx([0xffffffff, 28, 28], []), /has 16 bytes but its header \[4294967295, 28, 28\] promises/],
  ])('%s', (_, bytes, message) => {
    const decode = () => decodeIdxImages(bytes, 'x', 28, 28);
    expect(decode).toThrow(DataError);
    expect(decode).toThrow(message);
  });

  test('names file and record of a label out of range', () => {
    expect(() => decodeIdxLabels(idx([4], [0, 9, 10, 11]), 'labels', 10)).toThrow(
      new DataError('labels: record 2 has label 10; labels are 0 to 9'),
    );
  });
});
