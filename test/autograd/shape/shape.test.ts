import { expect, test } from 'vitest';
import {
  ArgumentError,
  concat,
  expandDims,
  gather,
  oneHot,
  pad,
  reshape,
  ShapeError,
  slice,
  split,
  squeeze,
  stack,
  type Tensor,
  tensor,
  transpose,
} from '../../../src/node.ts';
import type { OperatorName } from '../../reference/index.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { oneHot as oneHotReference } from '../../reference/shape.ts';
import { compareWithReference, runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { expectRefused, type InvalidCall } from '../../support/invalid-calls.ts';

const u32 = { dtype: 'u32' } as const;

const wrong: InvalidCall[] = [
  ['transpose: too few axes', (t) => transpose(t([2, 3]), [0]), ArgumentError, ['transpose', '[0]', '[2,3]']],
  ['transpose: an axis twice', (t) => transpose(t([2, 3]), [1, -1]), ArgumentError, ['transpose', '[1,-1]', '[2,3]']],
  ['transpose: axis', (t) => transpose(t([2, 3]), [0, 2]), ShapeError, ['transpose', 'axis 2', '[2,3]']],
  ['transpose: a number', (t) => transpose(t([2]), 0 as unknown as number[]), ArgumentError, ['transpose', '0']],
  [
    'transpose: nine axes at once',
    (t) => transpose(t(Array(9).fill(2))),
    ShapeError,
    ['transpose', '[2,2,2,2,2,2,2,2,2]'],
  ],
  ['expandDims: axis', (t) => expandDims(t([2, 3]), 3), ShapeError, ['expandDims', 'axis 3', '[2,3]']],
  ['expandDims: none', (t) => expandDims(t([2]), undefined as unknown as number), ArgumentError, ['expandDims']],
  ['squeeze: size', (t) => squeeze(t([1, 3]), 1), ShapeError, ['squeeze', 'size 3', '[1,3]']],
  ['squeeze: axis', (t) => squeeze(t([1, 3]), -3), ShapeError, ['squeeze', 'axis -3', '[1,3]']],
  ['pad: rank', (t) => pad(t([2, 3]), [[1, 1]]), ArgumentError, ['pad', '[[1,1]]', '[2,3]']],
  ['pad: negative', (t) => pad(t([2]), [[-1, 0]]), ArgumentError, ['pad', '[[-1,0]]', '[2]']],
  ['pad: value', (t) => pad(t([2]), [[1, 0]], { value: 'x' as unknown as number }), ArgumentError, ['pad', 'x']],
  ['pad: a fraction among integers', (t) => pad(t([2], u32), [[1, 0]], { value: 0.5 }), ArgumentError, ['pad', '0.5']],
  ['slice: rank', (t) => slice(t([2, 3]), [0], [1, 1]), ArgumentError, ['slice', 'begin', '[0]', '[2,3]']],
  ['slice: beyond', (t) => slice(t([2, 3]), [0, 2], [2, 2]), ShapeError, ['slice', '[2,2]', '[0,2]', '[2,3]']],
  ['slice: begin beyond', (t) => slice(t([2]), [3], [-1]), ShapeError, ['slice', '[3]', '[2]']],
  ['slice: negative', (t) => slice(t([2]), [0], [-2]), ArgumentError, ['slice', 'size', '[-2]', '[2]']],
  ['concat: nothing', () => concat([]), ArgumentError, ['concat', '[]']],
  ['concat: a tensor', (t) => concat(t([2]) as unknown as Tensor[]), ArgumentError, ['concat']],
  ['concat: no tensor', (t) => concat([t([2]), 3 as unknown as Tensor]), ArgumentError, ['concat', 'tensor 1', '3']],
  ['concat: shapes', (t) => concat([t([2, 3]), t([2, 4])]), ShapeError, ['concat', '[2,3]', '[2,4]']],
  ['concat: ranks', (t) => concat([t([2]), t([2, 1])]), ShapeError, ['concat', '[2]', '[2,1]']],
  ['concat: scalars', (t) => concat([t([]), t([])]), ShapeError, ['concat', 'axis 0', '[]']],
  ['concat: dtypes', (t) => concat([t([2]), t([2], u32)]), ArgumentError, ['concat', 'u32', '[2]']],
  ['concat: models', (t) => concat([t([2]), t([2], { models: 2 })]), ShapeError, ['concat', '2 replicas']],
  ['stack: shapes', (t) => stack([t([2]), t([3])]), ShapeError, ['stack', '[2]', '[3]']],
  ['stack: axis', (t) => stack([t([2]), t([2])], 2), ShapeError, ['stack', 'axis 2', '[2]']],
  ['split: uneven', (t) => split(t([5, 2]), 2), ShapeError, ['split', '2', '[5,2]']],
  ['split: sizes', (t) => split(t([5]), [2, 2]), ShapeError, ['split', '[2,2]', '[5]']],
  ['split: none', (t) => split(t([5]), 0), ArgumentError, ['split', '0']],
  ['gather: float indices', (t) => gather(t([5]), t([2])), ArgumentError, ['gather', 'indices', 'f32', '[2]']],
  ['gather: axis', (t) => gather(t([5]), t([2], u32), 1), ShapeError, ['gather', 'axis 1', '[5]']],
  ['gather: models', (t) => gather(t([5]), t([2], { ...u32, models: 2 })), ShapeError, ['gather', '2 replicas']],
  ['oneHot: float labels', (t) => oneHot(t([2]), 3), ArgumentError, ['oneHot', 'f32', '[2]']],
  ['oneHot: no classes', (t) => oneHot(t([2], u32), 0), ArgumentError, ['oneHot', '0']],
];

describeOnDevice('operators that move elements', (device) => {
  test.each(wrong.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(device, row));

  test('transpose: values computed by hand', async () => {
    const x = { shape: [1, 2, 3], data: [1, 2, 3, 4, 5, 6] };
    const transposed = await runOperator(device, 'transpose', [x], { axes: [2, 0, 1] }, [1, 2, 3, 4, 5, 6]);
    expect(transposed.shape).toEqual([3, 1, 2]);
    expectClose(transposed.output, [1, 4, 2, 5, 3, 6]);
    expectClose(transposed.grads[0]!, [1, 3, 5, 2, 4, 6]);
  });

  test.each<[OperatorName, number[][], object]>([
    ['transpose', [[67, 131]], {}],
    ['transpose', [[]], {}],
    ['transpose', [[2, 3, 1, 2, 3, 2, 1, 3]], { axes: [7, 0, 6, 1, 5, 2, 4, 3] }],
    ['transpose', [[0, 3]], {}],
    ['squeeze', [[1, 1]], {}],
    ['squeeze', [[1, 2, 1]], { axis: [0, -1] }],
    ['expandDims', [[]], { axis: -1 }],
    [
      'pad',
      [[0, 2]],
      {
        paddings: [
          [1, 2],
          [0, 1],
        ],
        value: 7,
      },
    ],
    ['pad', [[]], { paddings: [] }],
    ['slice', [[7, 5, 3]], { begin: [3, 0, 1], size: [2, 5, 1] }],
    ['slice', [[4]], { begin: [4], size: [-1] }],
    [
      'concat',
      [
        [2, 0],
        [2, 3],
      ],
      { axis: 1 },
    ],
    [
      'concat',
      [
        [0, 3],
        [0, 3],
      ],
      { axis: 0 },
    ],
    ['stack', [[], [], []], {}],
  ])('%s of %j %j', async (name, shapes, attrs) => {
    await compareWithReference(device, name, { inputs: shapes.map((shape) => ({ shape })), attrs, seed: 9 });
  });

  test('shape operators: NaN and infinity are copied unchanged, also as padding', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const x = { shape: [2], data: [nan, -inf] };
    const { output, grads } = await runOperator(device, 'pad', [x], { paddings: [[1, 1]], value: -inf }, [
      9,
      nan,
      1,
      9,
    ]);
    expectClose(output, [-inf, nan, -inf, -inf]);
    expectClose(grads[0]!, [nan, 1]);
  });

  test('shape operators: integers stay integers', async () => {
    using x = tensor(device, [1, -2, 3], [3], { dtype: 'i32' });
    using padded = pad(x, [[1, 0]], { value: -7 });
    using both = concat([padded, x]);
    expect([both.dtype, ...(await both.data())]).toEqual(['i32', -7, 1, -2, 3, 1, -2, 3]);
  });

  test('split: concat reverses it, and each part has its own gradient', async () => {
    using x = tensor(device, [1, 2, 3, 4, 5, 6], [2, 3], { requiresGrad: true });
    const [a, b] = split(x, [1, 2], -1) as [Tensor, Tensor];
    expect([a.shape, [...(await a.data())], b.shape, [...(await b.data())]]).toEqual([
      [2, 1],
      [1, 4],
      [2, 2],
      [2, 3, 5, 6],
    ]);
    const [top] = split(x, 2) as [Tensor];
    expect([...(await top.data())]).toEqual([1, 2, 3]);
    const concatenated = concat([b, a, b], 1);
    concatenated.backward(tensor(device, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 5]));
    expect([...(await x.grad!.data())]).toEqual([3, 5, 7, 8, 15, 17]);
    for (const t of [a, b, top, concatenated, x.grad!]) t.dispose();
  });

  test('gather: gradients of equal indices add up; an invalid index gives NaN and no gradient; no indices, an empty result', async () => {
    const x = { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] };
    const indices = { shape: [4], data: [2, 0, 2, 3], dtype: 'u32' } as const;
    const { output, grads } = await runOperator(device, 'gather', [x, indices], {}, [1, 2, 3, 4, 5, 6, 7, 8]);
    expectClose(output, [5, 6, 1, 2, 5, 6, Number.NaN, Number.NaN]);
    expectClose(grads[0]!, [3, 4, 0, 0, 6, 8]);
    const none = await runOperator(device, 'gather', [x, { shape: [0], data: [], dtype: 'u32' }], { axis: 1 }, []);
    expect(none.shape).toEqual([3, 0]);
    expectClose(none.grads[0]!, [0, 0, 0, 0, 0, 0]);
  });

  test('gather: negative i32 indices; tables of integers', async () => {
    using x = tensor(device, [7, 8, 9], [3], { dtype: 'u32' });
    using indices = tensor(device, [-1, 2, 1], [3], { dtype: 'i32' });
    using y = gather(x, indices);
    expect([y.dtype, ...(await y.data())]).toEqual(['u32', 0, 9, 8]);
  });

  test('oneHot: all labels, invalid labels, labels of other ranks', async () => {
    const labels = [0, 4, 2, 5, 1, 3];
    using a = tensor(device, labels, [2, 3], { dtype: 'u32' });
    using y = oneHot(a, 5);
    expect([y.shape, y.dtype]).toEqual([[2, 3, 5], 'f32']);
    expectClose(await y.data(), oneHotReference(ndarray([2, 3], labels), { classes: 5 }).data);
    using negative = tensor(device, [-1, 1], [2], { dtype: 'i32' });
    using z = oneHot(negative, 2);
    expect([...(await z.data())]).toEqual([Number.NaN, Number.NaN, 0, 1]);
    using beyond = tensor(device, [2, 3, 0xffffffff], [3], u32);
    using w = oneHot(beyond, 3);
    expect([...(await w.data())]).toEqual([0, 0, 1, ...Array(6).fill(Number.NaN)]);
  });

  test('reshape: -1 is inferred from the other sizes, at any position', async () => {
    using x = tensor(device, [1, 2, 3, 4, 5, 6], [2, 3]);
    const shapes = [[-1], [3, -1], [-1, 1, 2], [1, -1, 6], [6, 1, -1]].map((shape) => reshape(x, shape).shape);
    expect(shapes).toEqual([[6], [3, 2], [3, 1, 2], [1, 1, 6], [6, 1, 1]]);
    using empty = tensor(device, [], [0, 3]);
    expect(reshape(empty, [-1, 3]).shape).toEqual([0, 3]);
    using scalar = tensor(device, [7], []);
    expect(reshape(scalar, [-1]).shape).toEqual([1]);
  });
});
