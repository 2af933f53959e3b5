import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArgumentError, argmax, argmin, max, mean, min, ShapeError, sum, tensor, variance } from '../../../src/node.ts';
import { references } from '../../reference/index.ts';
import { ndarray } from '../../reference/ndarray.ts';
import * as reduceReferences from '../../reference/reduce.ts';
import { compareWithReference, type HostInput, hostInputs, runOperator } from '../../support/adapter.ts';
import { reduceCase } from '../../support/cases-reduce.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { expectRefused, type InvalidCall } from '../../support/invalid-calls.ts';
import { drawInputs, drawLike, drawnCases, FAST_CHECK_SEED } from '../../support/operator-cases.ts';
import { random } from '../../support/random.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const wrong: InvalidCall[] = [
  ['sum: axis', (t) => sum(t([2, 3]), { axis: 2 }), ShapeError, ['sum', 'axis 2', '[2,3]']],
  ['mean: negative axis', (t) => mean(t([2, 3]), { axis: -3 }), ShapeError, ['mean', 'axis -3', '[2,3]']],
  ['max: an axis of a scalar', (t) => max(t([]), { axis: 0 }), ShapeError, ['max', '[]', 'none']],
  ['min: a fraction', (t) => min(t([2, 3]), { axis: 0.5 }), ArgumentError, ['min', '0.5']],
  ['sum: one axis twice', (t) => sum(t([2, 3]), { axis: [1, -1] }), ArgumentError, ['sum', 'twice', '[2,3]']],
  ['sum: no axis', (t) => sum(t([2]), { axis: 'last' as unknown as number }), ArgumentError, ['sum', 'last']],
  ['sum: keepDims', (t) => sum(t([2]), { keepDims: 1 as unknown as boolean }), ArgumentError, ['sum', 'keepDims']],
  ['max: nothing', (t) => max(t([2, 0, 3]), { axis: 1 }), ShapeError, ['max', '[2,0,3]']],
  ['argmax: nothing', (t) => argmax(t([0])), ShapeError, ['argmax', '[0]']],
  ['argmax: two axes', (t) => argmax(t([2, 2]), { axis: [0, 1] as unknown as number }), ArgumentError, ['argmax']],
  ['argmax: dtype', (t) => argmax(t([2], { dtype: 'u32' })), ArgumentError, ['argmax', 'u32', '[2]']],
  ['argmin: nothing', (t) => argmin(t([3, 0]), { axis: 1 }), ShapeError, ['argmin', '[3,0]']],
  ['argmin: axis', (t) => argmin(t([2]), { axis: 1 }), ShapeError, ['argmin', 'axis 1', '[2]']],
  ['argmin: dtype', (t) => argmin(t([2], { dtype: 'i32' })), ArgumentError, ['argmin', 'i32', '[2]']],
  ['variance: dtype', (t) => variance(t([2], { dtype: 'i32' })), ArgumentError, ['variance', 'i32']],
  ['variance: ddof', (t) => variance(t([2, 3]), { axis: 0, ddof: 2 }), ShapeError, ['variance', 'ddof 2', '[2,3]']],
  ['variance: negative ddof', (t) => variance(t([2]), { ddof: -1 }), ArgumentError, ['variance', '-1']],
];

describeOnDevice('reductions', (device) => {
  test.each(wrong.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(device, row));

  const run = (name: 'max' | 'min' | 'variance', x: HostInput, attrs: object, dout: number[]) =>
    runOperator(device, name, [x], attrs, dout);

  test('max, min: equal elements share the gradient evenly', async () => {
    const x = { shape: [3, 4], data: [1, 5, 5, 2, -3, -3, -3, -3, 0, -0, -1, -2] };
    const largest = await run('max', x, { axis: 1 }, [6, 8, 10]);
    expectClose(largest.output, [5, -3, 0]);
    expectClose(largest.grads[0]!, [0, 3, 3, 0, 2, 2, 2, 2, 5, 5, 0, 0]);
    const smallest = await run('min', x, { axis: 0 }, [1, 2, 3, 4]);
    expectClose(smallest.output, [-3, -3, -3, -3]);
    expectClose(smallest.grads[0]!, [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
  });

  test.each(['max', 'min'] as const)(
    '%s: equal elements share the gradient, on drawn shapes and axes',
    async (name) => {
      await fc.assert(
        fc.asyncProperty(reduceCase('full'), async (c) => {
          const inputs = drawInputs(c, 'integer');
          const y = references[name].forward(inputs, c.attrs);
          const dout = drawLike(y.shape, c.seed);
          const [dx] = references[name].backward(inputs, y, dout, c.attrs);
          const { output, grads } = await runOperator(device, name, hostInputs(c, 'integer'), c.attrs, dout.data);
          expectClose(output, y.data, { rtol: 0 });
          expectClose(grads[0]!, dx!.data, { rtol: 1e-6, magnitude: dx!.data.map(Math.abs) });
        }),
        { seed: FAST_CHECK_SEED, numRuns: drawnCases(25) },
      );
    },
  );

  test('max, min: NaN is the result, and its gradient is NaN; other rows are not affected', async () => {
    const x = { shape: [2, 3], data: [1, nan, inf, -inf, 2, -inf] };
    const largest = await run('max', x, { axis: 1 }, [1, 1]);
    expectClose(largest.output, [nan, 2]);
    expectClose(largest.grads[0]!, [nan, nan, nan, 0, 1, 0]);
    const smallest = await run('min', x, { axis: 1 }, [1, 1]);
    expectClose(smallest.output, [nan, -inf]);
    expectClose(smallest.grads[0]!, [nan, nan, nan, 0.5, 0, 0.5]);
  });

  test('max, min: find a NaN anywhere in a long axis', async () => {
    for (const place of [0, 63, 64, 4999, 5002]) {
      const data = Array.from({ length: 5003 }, (_, i) => (i === place ? nan : i % 7));
      const { output } = await run('max', { shape: [5003], data }, {}, [1]);
      expectClose(output, [nan]);
    }
  });

  test('variance: ddof as in NumPy; one element, equal elements, and a mean far from 0', async () => {
    const x = { shape: [2, 2], data: [1, 3, 1e4, 1e4 + 2] };
    expectClose((await run('variance', x, { axis: 1 }, [1, 1])).output, [1, 1]);
    const { output, grads } = await run('variance', x, { axis: 1, ddof: 1 }, [1, 3]);
    expectClose(output, [2, 2]);
    expectClose(grads[0]!, [-2, 2, -6, 6]);
    const single = await run('variance', { shape: [3, 1], data: [5, -1e30, 0.1] }, { axis: 1 }, [1, 1, 1]);
    expectClose(single.output, [0, 0, 0]);
    expectClose(single.grads[0]!, [0, 0, 0]);
  });

  test.each([
    ['sum', [100_003], {}],
    ['sum', [3, 1009, 2], { axis: 1 }],
    ['mean', [67, 5, 131], { axis: [0, 2] }],
    ['max', [10_007], {}],
    ['min', [2, 67, 65], { axis: [0, 1], keepDims: true }],
    ['variance', [131, 65, 3], { axis: [0, 1] }],
  ] as const)('%s over a long axis: %j %j', async (name, shape, attrs) => {
    await compareWithReference(device, name, { inputs: [{ shape: [...shape] }], attrs, seed: 17 });
  });

  test.each(['sum', 'mean', 'max', 'min', 'variance'] as const)('%s: an empty batch', async (name) => {
    await compareWithReference(device, name, { inputs: [{ shape: [0, 3] }], attrs: { axis: 1 }, seed: 1 });
  });

  test('argmax, argmin: the first of equal values; the first NaN before any number; each replica separately', async () => {
    using x = tensor(device, [2, 7, 7, 1, nan, inf, nan, 0, -inf, -inf, -inf, -inf], [1, 4], { models: 3 });
    using place = argmax(x, { axis: -1 });
    expect([...(await place.data())]).toEqual([1, 0, 0]);
    using smallest = argmin(x, { axis: -1 });
    expect([...(await smallest.data())]).toEqual([3, 0, 0]);
  });

  // More than 1,024 along the axis take two passes: slices of 33 or 40 rows, then the choice among theirs.
  test.each([
    { shape: [1600], axis: undefined },
    { shape: [3, 1056], axis: 1 },
    { shape: [1057, 3], axis: 0 },
    { shape: [2, 1300, 5], axis: 1 },
  ])('argmax, argmin: the first of equal values and of NaN along a long axis, $shape', async ({ shape, axis }) => {
    const size = shape.reduce((a, b) => a * b);
    const values = random(size);
    const ties = Array.from({ length: size }, () => values.integer(-2, 2));
    const distinct = Array.from({ length: size }, () => values.normal());
    const some = ties.map((value) => (values.integer(0, 400) === 0 ? nan : value));
    const lowest = Array.from({ length: size }, () => -inf);
    const all = [ties, distinct, some, lowest];
    using x = tensor(device, all.flat(), shape, { models: all.length });
    for (const [run, reference] of [
      [argmax, reduceReferences.argmax],
      [argmin, reduceReferences.argmin],
    ] as const) {
      using y = run(x, axis === undefined ? {} : { axis });
      const expected = all.map((data) => reference(ndarray(shape, data), axis === undefined ? {} : { axis }).data);
      expect([...(await y.data())]).toEqual(expected.flatMap((one) => [...one]));
    }
  });
});
