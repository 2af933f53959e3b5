import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import { matmul, matmulSupports, matmulVariants } from '../../../src/kernels/matmul/matmul.ts';
import { scope, Tensor, tensor } from '../../../src/node.ts';
import { matmul as matmulReference } from '../../reference/matmul.ts';
import { map, type NdArray } from '../../reference/ndarray.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike, drawnCases, FAST_CHECK_SEED } from '../../support/operator-cases.ts';
import { matmulLength } from '../../support/variants.ts';

/**
 * Every variant of the matrix product, called directly: tests of operators run only the variant that is selected for their shapes.
 * Integers, so that the result is exact for any order of additions.
 */
const drawn = { seed: FAST_CHECK_SEED + 3, numRuns: drawnCases(25) };

/** Replaces -0 by 0: the sign of a sum of zeros is not defined. */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('matmul variants', (device) => {
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape).array;

  async function expectExact(run: () => DeviceArray[], expected: NdArray[]): Promise<void> {
    const results = scope(device, () => run().map((array) => new Tensor(array)));
    for (const [k, result] of results.entries()) {
      expect(result.shape).toEqual(expected[k]!.shape);
      expect(normalizeZero(await result.data())).toEqual(normalizeZero(expected[k]!.data));
      result.dispose();
    }
  }

  const lanes = device?.subgroupLanes ?? null;
  const withVariant = (variant: string) => test.skipIf(variant === 'subgroup' && lanes === null);

  // Around the edges of a subgroup's tile, whatever its width.
  const edges = lanes ? [4 * lanes - 1, 4 * lanes, 4 * lanes + 1] : [];
  // Primes, ones, and sizes around the edges of the tiles, 8, 12, 32 and 64; sums long enough to be cut in slices.
  const sizes = (...more: number[]) =>
    fc.oneof(
      fc.constantFrom(1, 2, 3, 4, 7, 8, 12, 13, 31, 32, 33, 63, 64, 65, ...edges, ...more),
      fc.integer({ min: 1, max: 70 }),
    );
  const matmulCases = fc.record({
    m: sizes(127, 129),
    n: sizes(10, 97),
    k: sizes(16, 17, 384, 389, 801),
    transposes: fc.constantFrom<[boolean, boolean]>([false, false], [true, false], [false, true], [true, true]),
    models: fc.constantFrom(1, 1, 3),
    bias: fc.boolean(),
    epilogue: fc.constantFrom('none', 'relu', 'leakyRelu', 'through'),
    nan: fc.boolean(),
    seed: fc.nat(),
  });

  for (const variant of matmulVariants) {
    withVariant(variant)(
      `matmul, its transposes, models, bias, activations, ReLU's gradient and NaN: ${variant}`,
      async () => {
        await fc.assert(
          fc.asyncProperty(matmulCases, async ({ transposes, models, epilogue, nan, seed, ...more }) => {
            const [transposeA, transposeB] = transposes;
            const n = matmulLength(variant, more.n);
            const m = transposeA ? matmulLength(variant, more.m) : more.m;
            const k = transposeA && !transposeB ? more.k : matmulLength(variant, more.k);
            expect(matmulSupports(variant, device, { m, n, k, transposeA, transposeB })).toBe(true);
            const draw = (shape: number[], s: number) => drawLike([models, ...shape], s, 'integer');
            const a = draw(transposeA ? [k, m] : [m, k], seed);
            const b = draw(transposeB ? [n, k] : [k, n], seed + 1);
            const bias = more.bias && epilogue !== 'through';
            const added = draw([n], seed + 2);
            // The output of a ReLU: above 0, 0, or NaN, which the gradient passes.
            const below = map(draw([m, n], seed + 3), (value, i) => (i % 11 === 5 ? Number.NaN : Math.max(value, 0)));
            if (nan) a.data[seed % a.data.length] = Number.NaN; // one row of one model
            const product = matmulReference.forward([a, b], { transposeA, transposeB });
            const expected = product.data.map((value, i) => {
              const sum = value + (bias ? added.data[Math.floor(i / (m * n)) * n + (i % n)]! : 0);
              const gate = { none: 1, relu: sum, leakyRelu: 1, through: below.data[i]! }[epilogue as 'none'];
              return gate <= 0 ? 0 : epilogue === 'leakyRelu' && sum <= 0 ? sum / 2 : sum;
            });
            const upload = ({ shape, data }: NdArray) => tensor(device, data, shape.slice(1), { models }).array;
            const activation = { relu: { name: 'relu', p: 0 }, leakyRelu: { name: 'leakyRelu', p: 0.5 } } as const;
            const options = { transposeA, transposeB, activation: activation[epilogue as 'relu'] ?? null, variant };
            const c = scope(device, () => {
              const reluOutput = epilogue === 'through' ? upload(below) : null;
              return new Tensor(
                matmul(upload(a), upload(b), { ...options, bias: bias ? upload(added) : null, reluMask: reluOutput }),
              );
            });
            expect(c.shape).toEqual([m, n]);
            expect(normalizeZero(await c.data())).toEqual(normalizeZero(expected));
            c.dispose();
          }),
          { ...drawn, numRuns: drawnCases(60) },
        );
      },
    );
  }

  for (const variant of matmulVariants) {
    withVariant(variant)(`matmul of a batch, one side shared: ${variant}`, async () => {
      const [m, k, n] = [5, 390, 13].map((length) => matmulLength(variant, length)) as [number, number, number];
      const [a, b] = [drawLike([3, m, k], 4, 'integer'), drawLike([k, n], 5, 'integer')];
      const expected = matmulReference.forward([a, b], {});
      await expectExact(() => [matmul(upload(a), upload(b), { variant })], [expected]);
      const [c, d] = [drawLike([k, m], 6, 'integer'), drawLike([3, k, n], 7, 'integer')];
      const attrs = { transposeA: true };
      await expectExact(
        () => [matmul(upload(c), upload(d), { ...attrs, variant })],
        [matmulReference.forward([c, d], attrs)],
      );
    });
  }

  for (const variant of matmulVariants) {
    withVariant(variant)(`matmul beside the sums of the right matrix's columns: ${variant}`, async () => {
      const models = 3;
      // A tile and less, several tiles each way, and a sum long enough for slices.
      for (const [rows, columns, k] of [
        [5, 10, 7],
        [131, 67, 33],
        [64, 64, 64],
        [3, 13, 801],
      ] as const) {
        const [m, n] = [matmulLength(variant, rows), matmulLength(variant, columns)];
        const [x, dy] = [drawLike([models, k, m], k, 'integer'), drawLike([models, k, n], m, 'integer')];
        dy.data[n + 2] = Number.NaN;
        const upload = ({ shape, data }: NdArray) => tensor(device, data, shape.slice(1), { models }).array;
        const attrs = { transposeA: true };
        const [dw, db] = scope(device, () => {
          const columnSums = tensor(device, Array(models * n).fill(9), [n], { models });
          return [
            new Tensor(matmul(upload(x), upload(dy), { ...attrs, variant, columnSums: columnSums.array })),
            columnSums,
          ];
        });
        expect(normalizeZero(await dw.data())).toEqual(normalizeZero(matmulReference.forward([x, dy], attrs).data));
        const sums = Array.from({ length: models * n }, (_, i) => {
          const first = Math.floor(i / n) * k * n + (i % n);
          return Array.from({ length: k }, (_, row) => dy.data[first + row * n]!).reduce((a, b) => a + b);
        });
        expect(normalizeZero(await db.data())).toEqual(normalizeZero(sums));
        dw.dispose();
        db.dispose();
      }
    });
  }

  test('matmulSupports: blocks only if the contiguous axes and n are multiples of four', () => {
    const supports = (sizes: { m?: number; n?: number; k?: number; transposeA?: boolean; transposeB?: boolean }) =>
      matmulSupports('blocks64', device, { m: 64, n: 64, k: 64, ...sizes });
    expect(supports({ m: 3 })).toBe(true);
    expect(supports({ m: 3, transposeA: true })).toBe(false);
    expect(supports({ k: 3 })).toBe(false);
    expect(supports({ k: 3, transposeA: true })).toBe(true);
    expect(supports({ k: 3, transposeA: true, transposeB: true })).toBe(false);
    expect(supports({ n: 3, transposeB: true })).toBe(false);
  });

  // Matrices too large for caches, which a variant may transpose first. Checked by (a b) v = a (b v), exact in float64.
  test.each([
    { transposeA: false, transposeB: false },
    { transposeA: true, transposeB: false },
    { transposeA: true, transposeB: true },
  ])('matmul of large matrices: %j', async (transposes) => {
    const { transposeA, transposeB } = transposes;
    const [m, n, k] = [1027, 1030, 2051];
    const a = drawLike(transposeA ? [k, m] : [m, k], 8, 'integer');
    const b = drawLike(transposeB ? [n, k] : [k, n], 9, 'integer');
    const v = drawLike([n, 1], 10, 'integer');
    const c = scope(device, () => new Tensor(matmul(upload(a), upload(b), transposes)));
    const bv = matmulReference.forward([b, v], { transposeA: transposeB });
    const expected = matmulReference.forward([a, bv], { transposeA });
    const data = Float64Array.from(await c.data());
    c.dispose();
    expect(normalizeZero(matmulReference.forward([{ shape: [m, n], data }, v], {}).data)).toEqual(
      normalizeZero(expected.data),
    );
  });

  // The sums are long enough to show a bad order of additions, or too low a precision.
  for (const variant of matmulVariants) {
    withVariant(variant)(`matmul over a long inner axis: ${variant}`, async () => {
      const [a, b] = [drawLike([3, 20_012], 1), drawLike([20_012, 4], 2)];
      const result = scope(device, () => new Tensor(matmul(upload(a), upload(b), { variant })));
      const magnitude = matmulReference.forward([map(a, Math.abs), map(b, Math.abs)], {}).data;
      expectClose(await result.data(), matmulReference.forward([a, b], {}).data, { magnitude, rtol: 1e-6 });
      result.dispose();
    });
  }
});
