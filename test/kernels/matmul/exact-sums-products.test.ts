import { expect, test } from 'vitest';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import {
  conv2d,
  conv2dInputGrad,
  conv2dSupports,
  conv2dVariants,
  conv2dWeightGrad,
  convGeometry,
} from '../../../src/kernels/conv2d/conv2d.ts';
import {
  depthwiseConv2d,
  depthwiseGeometry,
  depthwiseInputGrad,
  depthwiseSupports,
  depthwiseVariants,
  depthwiseWeightGrad,
} from '../../../src/kernels/depthwise/depthwise.ts';
import { matmul, matmulSupports, matmulVariants } from '../../../src/kernels/matmul/matmul.ts';
import { scope, Tensor, tensor } from '../../../src/node.ts';
import { conv2d as conv2dReference } from '../../reference/conv2d.ts';
import { depthwiseConv2d as depthwiseReference } from '../../reference/depthwise.ts';
import { matmul as matmulReference } from '../../reference/matmul.ts';
import type { NdArray } from '../../reference/ndarray.ts';
import { expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';
import { matmulLength, testOfConv2d } from '../../support/variants.ts';

/**
 * Sums of integers, which must be exact: in every variant, no term is lost or counted twice between two parts of a sum, and the bits of a
 * replica do not depend on the others. See also long-sums-products.test.ts, whose kernels run longer than they compile.
 */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

type Shape = readonly number[];

describeOnDevice('exact sums of products', (device) => {
  const full = (shape: Shape, value: number): DeviceArray =>
    tensor(device, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), [...shape]).array;
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape).array;

  async function expectExact(run: () => { result: DeviceArray; expected: NdArray; what: string }[]) {
    const results = scope(device, () => run().map((one) => ({ ...one, result: new Tensor(one.result) })));
    for (const { result, expected, what } of results) {
      expect(normalizeZero(await result.data()), what).toEqual(normalizeZero(expected.data));
      result.dispose();
    }
    return results.length;
  }

  /** Numbers of terms around the ends of parts and slices, for terms added one by one or by four. */
  const lengths = [255, 256, 257, 511, 513, 1023, 1024, 1028, 2049, 2052, 4099, 65_537];

  for (const variant of matmulVariants) {
    const supports = matmulSupports(variant, device ?? { subgroupLanes: null }, { m: 4, n: 4, k: 4 });
    const lengthOf = (length: number) => matmulLength(variant, length);
    test.skipIf(!supports)(`matmul, no term lost between parts of a sum: ${variant}`, async () => {
      for (const [i, length] of lengths.entries()) {
        const k = lengthOf(length);
        const columns = lengthOf(i % 2 ? 8 : 7);
        const [a, b] = [drawLike([lengthOf(5), k], i, 'integer'), drawLike([k, columns], 50 + i, 'integer')];
        const [at, bt] = [transpose(a), transpose(b)];
        const bias = drawLike([b.shape[1]!], i, 'integer');
        const expected = matmulReference.forward([a, b], {});
        const biased: NdArray = {
          shape: expected.shape,
          data: expected.data.map((v, j) => Math.max(0, v + bias.data[j % bias.data.length]!)),
        };
        await expectExact(() => {
          const columnSums = full([b.shape[1]!], 9);
          const activation = { name: 'relu', p: 0 } as const;
          return [
            { result: matmul(upload(a), upload(b), { variant }), expected, what: `${variant} ${k}` },
            {
              result: matmul(upload(at), upload(b), {
                ...{ variant, transposeA: true, columnSums, bias: upload(bias), activation },
              }),
              expected: biased,
              what: `${variant} ${k} with bias and ReLU`,
            },
            { result: columnSums, expected: columnSumsOf(b), what: `${variant} ${k}, sums of columns` },
            {
              result: matmul(upload(a), upload(bt), { variant, transposeB: true }),
              expected,
              what: `${variant} ${k}, b transposed`,
            },
          ];
        });
      }
    });
  }

  test('long sums: the bits of a replica do not depend on the number of replicas', async () => {
    const models = 3;
    const drawIntegers = (shape: number[], seed: number) =>
      Array.from({ length: models }, (_, m) => Float32Array.from(drawLike(shape, 10 * seed + m).data));
    const all = (parts: Float32Array[], shape: number[]) =>
      tensor(
        device,
        Float32Array.from(
          { length: parts.length * parts[0]!.length },
          (_, i) => parts[Math.floor(i / parts[0]!.length)]![i % parts[0]!.length]!,
        ),
        shape,
        { models },
      ).array;
    const expectSame = async (
      [left, right]: readonly [number[], number[]],
      run: (a: DeviceArray, b: DeviceArray) => DeviceArray,
      what: string,
    ) => {
      const [as, bs] = [drawIntegers(left, 1), drawIntegers(right, 2)];
      const together = scope(device, () => new Tensor(run(all(as, left), all(bs, right))));
      const found = await together.data();
      together.dispose();
      for (let m = 0; m < models; m++) {
        const alone = scope(
          device,
          () => new Tensor(run(tensor(device, as[m]!, left).array, tensor(device, bs[m]!, right).array)),
        );
        const expected = await alone.data();
        expectSameBits(found.slice(m * expected.length, (m + 1) * expected.length), expected, what);
        alone.dispose();
      }
    };
    for (const variant of matmulVariants.filter((one) => matmulSupports(one, device, { m: 4, n: 4, k: 4 }))) {
      for (const length of [5003, 70_000]) {
        const k = matmulLength(variant, length);
        await expectSame(
          [
            [6, k],
            [k, matmulLength(variant, 5)],
          ],
          (a, b) => matmul(a, b, { variant }),
          `matmul ${variant} ${k}`,
        );
      }
    }
    const [x, dy] = [
      [2, 4, 1100, 4],
      [2, 4, 1100, 4],
    ];
    const g = convGeometry(full(x, 0), full([3, 3, 4, 4], 0), { padding: 'same' });
    for (const variant of conv2dVariants.filter((one) => conv2dSupports(one, device, g).weightGrad)) {
      await expectSame([x, dy], (a, b) => conv2dWeightGrad(a, b, g, { variant }), `weight gradient ${variant}`);
    }
    const d = depthwiseGeometry(full(x, 0), full([3, 3, 4, 1], 0), { padding: 'same' });
    await expectSame([x, dy], (a, b) => depthwiseWeightGrad(a, b, d), 'weight gradient, depthwise');
  });

  type Attrs = { padding?: 'same' | 'valid'; strides?: number };
  const kernels = ['forward', 'inputGrad', 'weightGrad'] as const;

  const exactCases: { input: Shape; filter: Shape; attrs?: Attrs; kernel: (typeof kernels)[number] }[] = [
    { input: [2, 3, 4, 255], filter: [3, 3, 255, 4], kernel: 'forward' },
    { input: [1, 3, 3, 1028], filter: [2, 3, 1028, 4], kernel: 'forward' },
    { input: [1, 3, 9, 1030], filter: [3, 2, 1030, 5], kernel: 'forward' },
    { input: [1, 30, 34, 3], filter: [27, 31, 3, 4], kernel: 'forward' },
    { input: [2, 3, 3, 4], filter: [3, 3, 4, 260], attrs: { padding: 'same' }, kernel: 'inputGrad' },
    { input: [1, 4, 4, 8], filter: [3, 3, 8, 2052], attrs: { padding: 'same', strides: 2 }, kernel: 'inputGrad' },
    { input: [3, 33, 34, 4], filter: [3, 3, 4, 8], attrs: { padding: 'same' }, kernel: 'weightGrad' },
    { input: [1, 3, 1301, 4], filter: [1, 2, 4, 4], kernel: 'weightGrad' },
    { input: [2, 2, 2051, 8], filter: [1, 1, 8, 12], kernel: 'weightGrad' },
    { input: [1, 1, 4100, 1], filter: [1, 3, 1, 9], attrs: { padding: 'same' }, kernel: 'weightGrad' },
    { input: [1, 4099, 1, 4], filter: [1, 1, 4, 4], kernel: 'weightGrad' },
    { input: [700, 3, 4, 2], filter: [3, 3, 2, 5], attrs: { padding: 'same' }, kernel: 'weightGrad' },
    { input: [1, 1031, 3, 4], filter: [3, 3, 4, 4], attrs: { padding: 'same' }, kernel: 'weightGrad' },
  ];

  /** Winograd's algorithm divides by 3 on the way. */
  const exact = conv2dVariants.filter((variant) => !variant.startsWith('winograd'));
  for (const variant of exact) {
    testOfConv2d(device, variant)(
      `conv2d and its gradients, no term lost where a part of a sum begins: ${variant}`,
      async () => {
        let checked = 0;
        for (const [i, { input, filter, attrs = {}, kernel }] of exactCases.entries()) {
          const [x, w] = [drawLike(input, i, 'integer'), drawLike(filter, 50 + i, 'integer')];
          const y = conv2dReference.forward([x, w], attrs);
          const dy = drawLike(y.shape, 100 + i, 'integer');
          const grads = conv2dReference.backward([x, w], y, dy, attrs);
          const expected = { forward: y, inputGrad: grads[0]!, weightGrad: grads[1]! }[kernel];
          checked += await expectExact(() => {
            const [a, b, d] = [upload(x), upload(w), upload(dy)];
            const g = convGeometry(a, b, attrs);
            if (!conv2dSupports(variant, device, g)[kernel]) return [];
            const run = {
              forward: () => conv2d(a, b, { ...attrs, variant }),
              inputGrad: () => conv2dInputGrad(d, b, g, { variant }),
              weightGrad: () => conv2dWeightGrad(a, d, g, { variant }),
            };
            return [{ result: run[kernel](), expected, what: `${variant} ${kernel} [${input}] [${filter}]` }];
          });
        }
        expect(checked).toBeGreaterThan(1);
      },
    );
  }

  test.each(depthwiseVariants)(
    'depthwiseConv2d and its gradients, no term lost between parts of a sum: %s',
    async (variant) => {
      let checked = 0;
      for (const [i, { input, filter, attrs = {} }] of (
        [
          { input: [1, 20, 30, 3], filter: [17, 29, 3, 1] },
          { input: [1, 3, 600, 4], filter: [2, 521, 4, 1] },
          { input: [2, 5, 5, 2], filter: [3, 3, 2, 259], attrs: { padding: 'same' } },
          { input: [9, 33, 34, 4], filter: [3, 3, 4, 1], attrs: { padding: 'same', strides: 2 } },
          { input: [3, 5, 1031, 2], filter: [1, 2, 2, 1] },
          // Around 256 rows of a block, and images of a slice.
          { input: [1, 513, 5, 4], filter: [3, 3, 4, 1], attrs: { padding: 'same' } },
          { input: [300, 3, 4, 20], filter: [3, 3, 20, 1], attrs: { padding: 'same' } },
        ] as { input: number[]; filter: number[]; attrs?: Attrs }[]
      ).entries()) {
        const [x, w] = [drawLike(input, i, 'integer'), drawLike(filter, 50 + i, 'integer')];
        const y = depthwiseReference.forward([x, w], attrs);
        const dy = drawLike(y.shape, 100 + i, 'integer');
        const [dx, dw] = depthwiseReference.backward([x, w], y, dy, attrs);
        checked += await expectExact(() => {
          const [a, b, d] = [upload(x), upload(w), upload(dy)];
          const g = depthwiseGeometry(a, b, attrs);
          const all = {
            forward: { run: () => depthwiseConv2d(a, b, null, g, { variant }), expected: y },
            inputGrad: { run: () => depthwiseInputGrad(d, b, g, { variant }), expected: dx! },
            weightGrad: { run: () => depthwiseWeightGrad(a, d, g, { variant }), expected: dw! },
          };
          return kernels.flatMap((kernel) => {
            if (!depthwiseSupports(kernel, variant, device, g)) return [];
            const { run, expected } = all[kernel];
            return [{ result: run(), expected, what: `${variant} ${kernel} [${input}]` }];
          });
        });
      }
      expect(checked).toBeGreaterThan(5);
    },
  );
});

function transpose({ shape, data }: NdArray): NdArray {
  const [rows, columns] = shape as [number, number];
  return { shape: [columns, rows], data: data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!) };
}

/** Sums over all axes but the last. */
function columnSumsOf({ shape, data }: NdArray): NdArray {
  const sums = new Float64Array(shape.at(-1)!);
  for (const [i, value] of data.entries()) sums[i % sums.length]! += value;
  return { shape: [sums.length], data: sums };
}
