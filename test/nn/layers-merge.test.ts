import { expect, test } from 'vitest';
import {
  Add,
  ArgumentError,
  Average,
  Concatenate,
  input,
  type Layer,
  Maximum,
  Minimum,
  Model,
  Multiply,
  noGrad,
  Permute,
  ReLU,
  Rescaling,
  Reshape,
  Resizing,
  Sequential,
  type Shape,
  ShapeError,
  Subtract,
  scope,
  type TilegradError,
  tensor,
  ZeroPadding2D,
} from '../../src/node.ts';
import { references } from '../reference/index.ts';
import { ndarray } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';

type Refused = [what: string, call: () => unknown, error: typeof TilegradError, says: string[]];
const pair = (a: Shape, b: Shape) => [input(a), input(b)];
const any = (value: unknown) => value as never;
const invalidCalls: Refused[] = [
  [
    'Subtract of three',
    () => new Subtract().apply([...pair([2], [2]), input([2])]),
    ArgumentError,
    ['two inputs', '3'],
  ],
  ['Multiply of two shapes', () => new Multiply().apply(pair([2, 3], [3])), ShapeError, ['Multiply', '[2,3], [3]']],
  ['Concatenate along the batch', () => new Concatenate({ axis: 0 }), ArgumentError, ['axis', '0']],
  ['Concatenate of two ranks', () => new Concatenate().apply(pair([2, 3], [3])), ShapeError, ['[2,3], [3]', '-1']],
  ['Concatenate beyond', () => new Concatenate({ axis: 3 }).apply(pair([2, 3], [2, 3])), ShapeError, ['axis 3']],
  ['ZeroPadding2D: negative', () => new ZeroPadding2D({ padding: [-1, 0] }), ArgumentError, ['padding', '[-1,0]']],
  ['ZeroPadding2D: three', () => new ZeroPadding2D({ padding: any([1, 2, 3]) }), ArgumentError, ['[1,2,3]']],
  ['ZeroPadding2D on rows', () => new ZeroPadding2D().apply(input([3])), ShapeError, ['ZeroPadding2D', '[3]']],
  ['Resizing: no width', () => new Resizing(any({ height: 3 })), ArgumentError, ['width', 'undefined']],
  ['Resizing: how', () => new Resizing(any({ height: 3, width: 3, interpolation: 'cubic' })), ArgumentError, ['cubic']],
  ['Rescaling: no scale', () => new Rescaling(any({})), ArgumentError, ['scale', 'undefined']],
  ['Reshape: two unknown', () => new Reshape([-1, -1]), ArgumentError, ['[-1,-1]']],
  ['Reshape: too many', () => new Reshape([4, 2]).apply(input([3, 2])), ShapeError, ['6 elements', '[4,2]']],
  ['Reshape: no whole', () => new Reshape([4, -1]).apply(input([3, 2])), ShapeError, ['6 elements', '[4,-1]']],
  ['Permute: an axis twice', () => new Permute([1, 1]), ArgumentError, ['[1,1]']],
  ['Permute: the batch', () => new Permute([0, 1]), ArgumentError, ['[0,1]']],
  ['Permute of another rank', () => new Permute([2, 1]).apply(input([3])), ShapeError, ['[2,1]', '[3]']],
  ['ReLU: negative', () => new ReLU({ maxValue: -1 }), ArgumentError, ['maxValue', '-1']],
];

test.each(invalidCalls.map((row) => [row[0], row] as const))('throws for %s', (_what, [, call, error, says]) => {
  let thrown: unknown;
  try {
    call();
  } catch (reason) {
    thrown = reason;
  }
  expect(thrown).toBeInstanceOf(error);
  for (const part of says) expect((thrown as Error).message).toContain(part);
});

describeOnDevice('layers that merge and shape', (device) => {
  const batch = (shape: Shape, seed = 1) => drawLike([2, ...shape], seed);
  const close = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
    expectClose(actual, expected, { rtol: 1e-6, magnitude: Array.from(expected, () => 1) });

  async function outputOf(model: Model, x: { data: ArrayLike<number>; shape: Shape }) {
    const y = scope(device, () => noGrad(() => model.build(device).call(tensor(device, x.data, x.shape))));
    expect(y.shape).toEqual([x.shape[0], ...model.outputShape]);
    const data = await y.data();
    y.dispose();
    model.dispose();
    return data;
  }

  /** A branch of x, 3 x and x + 1: three inputs for the layer. */
  function buildMerged(layer: Layer, inputs: number): Model {
    const x = input([2, 3]);
    const all = [x, new Rescaling({ scale: -3 }).apply(x), new Rescaling({ scale: 1, offset: 1 }).apply(x)];
    return new Model({ inputs: x, outputs: layer.apply(all.slice(0, inputs)) });
  }

  const merges: [Layer, number, (...v: number[]) => number][] = [
    [new Add(), 3, (a, b, c) => a! + b! + c!],
    [new Subtract(), 2, (a, b) => a! - b!],
    [new Multiply(), 3, (a, b, c) => a! * b! * c!],
    [new Average(), 3, (a, b, c) => (a! + b! + c!) / 3],
    [new Maximum(), 3, Math.max],
    [new Minimum(), 3, Math.min],
  ];
  test.each(merges.map((row) => [row[0].kind, ...row] as const))('%s', async (_kind, layer, inputs, f) => {
    const x = batch([2, 3]);
    const expected = Array.from(x.data, (v) => f(...[v, -3 * v, v + 1].slice(0, inputs)));
    close(await outputOf(buildMerged(layer, inputs), x), expected);
  });

  test.each([-1, 1, 2])('Concatenate along axis %i', async (axis) => {
    const x = batch([2, 3]);
    const other = ndarray(
      x.shape,
      Float64Array.from(x.data, (v) => -3 * v),
    );
    const expected = references.concat.forward([ndarray(x.shape, Float64Array.from(x.data)), other], {
      axis: axis < 0 ? 2 : axis,
    });
    close(await outputOf(buildMerged(new Concatenate({ axis }), 2), x), expected.data);
  });

  const single = (layer: Layer, shape: Shape) => {
    const x = input(shape);
    return new Model({ inputs: x, outputs: layer.apply(x) });
  };

  test('ZeroPadding2D: pads each side by its number', async () => {
    const x = batch([2, 2, 1]);
    const v = Array.from(x.data);
    const padRows = (a: number[]) => [0, 0, 0, 0, 0, a[0]!, a[1]!, 0, 0, a[2]!, a[3]!, 0].slice(0);
    const layer = new ZeroPadding2D({
      padding: [
        [1, 0],
        [1, 1],
      ],
    });
    close(await outputOf(single(layer, [2, 2, 1]), x), [...padRows(v.slice(0, 4)), ...padRows(v.slice(4))]);
    expect(single(new ZeroPadding2D({ padding: [2, 1] }), [4, 4, 3]).outputShape).toEqual([8, 6, 3]);
    expect(single(new ZeroPadding2D(), [4, 4, 3]).outputShape).toEqual([6, 6, 3]);
  });

  test.each(['bilinear', 'nearest'] as const)('Resizing, %s', async (interpolation) => {
    const x = batch([3, 4, 2]);
    const expected = references.resize.forward([ndarray(x.shape, Float64Array.from(x.data))], {
      size: [6, 5],
      method: interpolation,
    });
    close(await outputOf(single(new Resizing({ height: 6, width: 5, interpolation }), [3, 4, 2]), x), expected.data);
  });

  test('Reshape keeps the order of elements, Permute changes it', async () => {
    const x = batch([2, 3]);
    close(await outputOf(single(new Reshape([3, -1]), [2, 3]), x), x.data);
    const swapped = [0, 1].flatMap((n) => [0, 3, 1, 4, 2, 5].map((i) => x.data[6 * n + i]!));
    close(await outputOf(single(new Permute([2, 1]), [2, 3]), x), swapped);
  });

  test.each([
    [{}, (v: number) => Math.max(0, v)],
    [{ maxValue: 6 }, (v: number) => Math.min(6, Math.max(0, v))],
    [{ maxValue: 1, negativeSlope: 0.1 }, (v: number) => Math.min(1, v > 0 ? v : 0.1 * v)],
    [{ negativeSlope: 0.5 }, (v: number) => (v > 0 ? v : 0.5 * v)],
  ])('ReLU %j', async (options, f) => {
    const x = { shape: [1, 5], data: [-4, -0.5, 0, 0.75, 9] };
    const model = new Sequential([new ReLU({ ...options, inputShape: [5] })]);
    close(await outputOf(model, x), x.data.map(f));
  });
});
