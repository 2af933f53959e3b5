import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gatherRowsGrad } from '../../../src/kernels/gather/gather-rows.ts';
import { sortPositions } from '../../../src/kernels/gather/sort.ts';
import { scope, Tensor, tensor } from '../../../src/node.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { gather as reference } from '../../reference/shape.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike, drawnCases, FAST_CHECK_SEED } from '../../support/operator-cases.ts';
import { random } from '../../support/random.ts';

const u32 = 'u32' as const;

/** Indices like those of tokens: half of them one row (padding), the others mostly low, a few out of range. */
function drawTokens(count: number, rows: number, seed: number): number[] {
  const values = random(seed);
  return Array.from({ length: count }, () => {
    const which = values.uniform();
    if (which < 0.5) return Math.min(3, rows - 1);
    if (which < 0.52) return [rows, rows + 1, 2 ** 31, 2 ** 32 - 1][values.integer(0, 3)]!;
    return Math.floor(rows * values.uniform() ** 3);
  });
}

describeOnDevice('gatherRowsGrad', (device) => {
  async function gradient(shape: number[], axis: number, indices: number[][], dys: ArrayLike<number>[]) {
    const models = indices.length;
    const dyShape = [...shape.slice(0, axis), indices[0]!.length, ...shape.slice(axis + 1)];
    using dx = scope(device, () => {
      const dy = tensor(
        device,
        dys.flatMap((one) => Array.from(one)),
        dyShape,
        { models },
      );
      const all = tensor(device, indices.flat(), [indices[0]!.length], { dtype: u32, models });
      return new Tensor(gatherRowsGrad(dy.array, all.array, axis, shape));
    });
    return new Float32Array((await dx.data()) as Float32Array);
  }

  // Chunks of 64 positions and more: 64 are one, 65 two, 6,400 eighty. Rows occur in no chunk, in one or in many.
  test.each([
    { shape: [700, 4], axis: 0, count: 6400 },
    { shape: [2000, 3], axis: 0, count: 1000 },
    { shape: [2, 50, 6], axis: 1, count: 300 },
    { shape: [5, 33], axis: 1, count: 65 },
    { shape: [1, 2], axis: 0, count: 129 },
    { shape: [31, 1], axis: 0, count: 64 },
    { shape: [70_000, 1], axis: 0, count: 400 },
    // The maximum number of indices, and of comparisons, for the kernel that reads all indices; and one more.
    { shape: [100, 8], axis: 0, count: 256 },
    { shape: [100, 8], axis: 0, count: 257 },
    { shape: [1024, 4], axis: 0, count: 256 },
    { shape: [1025, 4], axis: 0, count: 256 },
    { shape: [3, 2, 5], axis: 1, count: 200 },
  ])(
    '$shape, axis $axis, $count indices: agrees with the reference; each replica has the bits of a single model',
    async ({ shape, axis, count }) => {
      const indices = [1, 2, 3].map((seed) => drawTokens(count, shape[axis]!, seed));
      const dyShape = [...shape.slice(0, axis), count, ...shape.slice(axis + 1)];
      const dys = [1, 2, 3].map((seed) => drawLike(dyShape, seed).data);
      const together = await gradient(shape, axis, indices, dys);
      expectSameBits(await gradient(shape, axis, indices, dys), together, 'again');
      const size = together.length / 3;
      for (const replica of [0, 1, 2]) {
        const replicaGrad = together.slice(replica * size, (replica + 1) * size);
        expectSameBits(
          await gradient(shape, axis, [indices[replica]!], [dys[replica]!]),
          replicaGrad,
          `replica ${replica}`,
        );
        // One more row, for indices out of range.
        const wide = shape.map((n, d) => (d === axis ? n + 1 : n));
        const known = indices[replica]!.map((index) => Math.min(index, shape[axis]!));
        const backward = (dy: ArrayLike<number>) => {
          const x = ndarray(wide, new Float64Array(wide.reduce((a, b) => a * b)));
          const arrays = [x, ndarray([count], known)] as const;
          const { data } = reference.backward([...arrays], x, ndarray(dyShape, Array.from(dy)), { axis })[0]!;
          const inner = wide.slice(axis + 1).reduce((a, b) => a * b, 1);
          return data.filter((_, i) => Math.floor(i / inner) % wide[axis]! < shape[axis]!);
        };
        const magnitude = backward(Array.from(dys[replica]!, Math.abs));
        expectClose(replicaGrad, backward(dys[replica]!), { magnitude, rtol: 1e-6 }, `replica ${replica}`);
      }
    },
  );

  test.each<[string, (count: number) => number[]]>([
    ['all equal', (count) => new Array(count).fill(2)],
    ['in cyclic order', (count) => Array.from({ length: count }, (_, i) => i % 7)],
    ['all outside', (count) => new Array(count).fill(2 ** 31)],
    ['drawn', (count) => drawTokens(count, 7, 9)],
  ])('64 indices have the same bits with and without sorting: %s', async (_what, draw) => {
    const [indices, dy] = [draw(64), drawLike([64, 4], 3).data];
    const few = await gradient([7, 4], 0, [indices], [dy]);
    // With many unused rows there are too many comparisons, so the indices are sorted.
    const sorted = await gradient([5000, 4], 0, [indices.map((index) => (index < 7 ? index : 2 ** 31))], [dy]);
    expectSameBits(sorted.slice(0, 28), few, 'few');
  });

  test('few indices take one dispatch, in which no invocation reads more than 256', () => {
    const kernels = (rows: number, count: number) =>
      scope(device, () => {
        const dy = tensor(device, new Float32Array(8 * count), [count, 8]);
        const indices = tensor(device, new Uint32Array(count), [count], { dtype: u32 });
        const program = device.record(() => gatherRowsGrad(dy.array, indices.array, 0, [rows, 8]).dispose());
        const names = program.kernels;
        program.dispose();
        return names;
      });
    expect(kernels(100, 1)).toEqual(['gather_rows_grad_few_vec4']);
    expect(kernels(512, 256)).toEqual(['gather_rows_grad_few_vec4']);
    expect(kernels(513, 256)).toContain('sort_count');
    expect(kernels(1, 257)).toContain('sort_count');
  });

  test('the size of the table affects only the zero fill; all other work depends on the indices', () => {
    const commands = (rows: number, count: number) =>
      scope(device, () => {
        const dy = tensor(device, new Float32Array(128 * count), [count, 128]);
        const indices = tensor(device, new Uint32Array(count), [count], { dtype: u32 });
        const program = device.record(() => gatherRowsGrad(dy.array, indices.array, 0, [rows, 128]).dispose());
        const all = program.commands.map(({ pipeline, workgroups: [x, y, z] }) => ({
          name: pipeline.name,
          groups: x * y * z,
        }));
        program.dispose();
        return all;
      });
    const [few, many] = [commands(20_000, 6400), commands(30_000, 6400)];
    const others = (all: typeof few) => all.filter(({ name }) => name !== 'fill');
    expect(others(few)).toEqual(others(many));
    // An invocation sums 80 positions (the root of 6,400) for four channels.
    expect(others(few).filter(({ name }) => name.startsWith('gather'))).toEqual([
      { name: 'gather_rows_grad_vec4', groups: (80 * 32) / 64 },
      { name: 'gather_rows_grad_join_vec4', groups: (80 * 32) / 64 },
    ]);
  });

  test('sortPositions: a stable sort by key, for any number of keys and bits', async () => {
    const cases = fc.record({
      count: fc.constantFrom(1, 2, 63, 64, 65, 129, 1000, 5000),
      largest: fc.constantFrom(0, 1, 2, 31, 32, 33, 1000, 40_000, 2 ** 20 + 1, 2 ** 32 - 1),
      models: fc.constantFrom(1, 2),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ count, largest, models, seed }) => {
        const values = random(seed);
        const keys = Array.from({ length: models * count }, () =>
          values.uniform() < 0.1 ? values.integer(0, 2 ** 32 - 1) : values.integer(0, largest),
        );
        using sorted = scope(device, () => {
          const all = tensor(device, keys, [count], { dtype: u32, models });
          return new Tensor(sortPositions(all.array, largest));
        });
        const expected = Array.from({ length: models }, (_, model) => {
          const replicaKeys = keys.slice(model * count, (model + 1) * count).map((key) => Math.min(key, largest));
          return replicaKeys.map((_, i) => i).sort((a, b) => replicaKeys[a]! - replicaKeys[b]! || a - b);
        });
        expect(Array.from(await sorted.data())).toEqual(expected.flat());
      }),
      { numRuns: drawnCases(25), seed: FAST_CHECK_SEED },
    );
  });
});
