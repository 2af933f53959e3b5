import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as autograd from '../../src/autograd/index.ts';
import * as tg from '../../src/node.ts';
import { ArgumentError, type Device, ShapeError, type Tensor, TilegradError, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { FAST_CHECK_SEED } from '../support/operator-cases.ts';
import { operatorOptions } from '../support/operator-options.ts';

/** Invalid calls: the error, and the texts in its message (the operator and every shape involved). */
type InvalidCall = [what: string, call: (t: Make) => unknown, error: typeof TilegradError, says: string[]];
type Make = (shape: number[], options?: { dtype?: 'f32' | 'u32' | 'i32'; models?: number }) => Tensor;

const throwing = {
  get(): never {
    throw new Error('a getter that throws');
  },
};

const wrong: InvalidCall[] = [
  [
    'conv2d: channels',
    (t) => tg.conv2d(t([32, 28, 28, 3]), t([5, 5, 4, 6])),
    ShapeError,
    ['conv2d: input has 3 channels but the filter expects 4 (input [32,28,28,3], filter [5,5,4,6])'],
  ],
  ['conv2d: rank of x', (t) => tg.conv2d(t([28, 28, 3]), t([5, 5, 3, 6])), ShapeError, ['conv2d', '[28,28,3]']],
  ['conv2d: rank of filter', (t) => tg.conv2d(t([1, 28, 28, 3]), t([5, 5, 3])), ShapeError, ['conv2d', '[5,5,3]']],
  [
    'conv2d: bias',
    (t) => tg.conv2d(t([1, 8, 8, 3]), t([5, 5, 3, 6]), t([3])),
    ShapeError,
    ['conv2d', '[3]', '[6]', '[1,8,8,3]', '[5,5,3,6]'],
  ],
  [
    'conv2d: filter larger than the image',
    (t) => tg.conv2d(t([1, 4, 4, 3]), t([5, 5, 3, 6])),
    ShapeError,
    ['conv2d', '[1,4,4,3]', '[5,5,3,6]'],
  ],
  [
    'conv2d: dilated filter larger than the image',
    (t) => tg.conv2d(t([1, 4, 4, 1]), t([3, 3, 1, 1]), null, { dilation: 2 }),
    ShapeError,
    ['conv2d', 'dilated', '[1,4,4,1]', '[3,3,1,1]'],
  ],
  [
    'conv2d: dtype',
    (t) => tg.conv2d(t([1, 8, 8, 3], { dtype: 'u32' }), t([5, 5, 3, 6])),
    ArgumentError,
    ['conv2d', 'u32', '[1,8,8,3]'],
  ],
  [
    'conv2d: bias dtype',
    (t) => tg.conv2d(t([1, 8, 8, 3]), t([5, 5, 3, 6]), t([6], { dtype: 'i32' })),
    ArgumentError,
    ['conv2d', 'i32', '[6]'],
  ],
  [
    'conv2d: models',
    (t) => tg.conv2d(t([1, 8, 8, 3], { models: 2 }), t([5, 5, 3, 6], { models: 3 })),
    ShapeError,
    ['conv2d', '[1,8,8,3]', '[5,5,3,6]', '2', '3'],
  ],
  ...[0, -1, 1.5, Number.NaN, [1, 0], [1], [1, 2, 3], '2'].map(
    (strides): InvalidCall => [
      `conv2d: strides ${JSON.stringify(strides)}`,
      (t) => tg.conv2d(t([1, 8, 8, 3]), t([5, 5, 3, 6]), null, { strides: strides as number }),
      ArgumentError,
      ['conv2d', 'strides'],
    ],
  ),
  [
    'conv2d: padding',
    (t) => tg.conv2d(t([1, 8, 8, 3]), t([5, 5, 3, 6]), null, { padding: 'full' as 'same' }),
    ArgumentError,
    ['conv2d', 'padding', 'full'],
  ],
  ['matmul: inner sizes', (t) => tg.matmul(t([2, 3]), t([2, 3])), ShapeError, ['matmul', '[2,3] x [2,3]']],
  [
    'matmul: inner sizes, transposed',
    (t) => tg.matmul(t([2, 3]), t([3, 4]), { transposeA: true }),
    ShapeError,
    ['matmul', '[2,3] transposed', '[3,4]'],
  ],
  ['matmul: rank', (t) => tg.matmul(t([4]), t([4, 2])), ShapeError, ['matmul', 'rank 2', '[4]']],
  ['matmul: batch', (t) => tg.matmul(t([2, 3, 4]), t([3, 4, 2])), ShapeError, ['matmul', '[2,3,4]', '[3,4,2]']],
  ['linear: rank of weight', (t) => tg.linear(t([2, 3]), t([1, 3, 5])), ShapeError, ['linear', '[1,3,5]']],
  ['linear: rank of x', (t) => tg.linear(t([3]), t([3, 5])), ShapeError, ['linear', '[3]']],
  ['matmul: dtype', (t) => tg.matmul(t([2, 3]), t([3, 2], { dtype: 'i32' })), ArgumentError, ['matmul', 'i32']],
  ['linear: inner sizes', (t) => tg.linear(t([2, 3]), t([4, 5]), t([5])), ShapeError, ['linear', '[2,3]', '[4,5]']],
  ['linear: bias', (t) => tg.linear(t([2, 3]), t([3, 5]), t([3])), ShapeError, ['linear', '[3,5]', '[3]', '[5]']],
  [
    'linear: bias dtype',
    (t) => tg.linear(t([2, 3]), t([3, 5]), t([5], { dtype: 'u32' })),
    ArgumentError,
    ['linear', 'u32', '[5]'],
  ],
  ['biasAdd: size', (t) => tg.biasAdd(t([2, 3]), t([2])), ShapeError, ['biasAdd', '[2,3]', '[2]']],
  ['biasAdd: scalar input', (t) => tg.biasAdd(t([]), t([1])), ShapeError, ['biasAdd', '[]', '[1]']],
  ['add: shapes', (t) => tg.add(t([2, 3]), t([3, 2])), ShapeError, ['add', '[2,3]', '[3,2]']],
  ['add: same size, other rank', (t) => tg.add(t([6]), t([3, 2])), ShapeError, ['add', '[6]', '[3,2]']],
  ['add: dtype', (t) => tg.add(t([2]), t([2], { dtype: 'u32' })), ArgumentError, ['add', 'u32']],
  ['relu: dtype', (t) => tg.relu(t([2], { dtype: 'i32' })), ArgumentError, ['relu', 'i32']],
  ['softmax: scalar', (t) => tg.softmax(t([])), ShapeError, ['softmax', '[]']],
  ['maxPool2d: rank', (t) => tg.maxPool2d(t([8, 8, 3]), { poolSize: 2 }), ShapeError, ['maxPool2d', '[8,8,3]']],
  [
    'maxPool2d: window larger than the image',
    (t) => tg.maxPool2d(t([1, 2, 2, 1]), { poolSize: 3 }),
    ShapeError,
    ['maxPool2d', '3x3', '[1,2,2,1]'],
  ],
  [
    'maxPool2d: poolSize missing',
    (t) => tg.maxPool2d(t([1, 2, 2, 1]), {} as { poolSize: number }),
    ArgumentError,
    ['maxPool2d', 'poolSize'],
  ],
  ['reshape: size', (t) => tg.reshape(t([2, 3]), [4, 2]), ShapeError, ['reshape', '[2,3]', '[4,2]']],
  [
    'Tensor: a number',
    () => new (tg.Tensor as never as new (array: unknown) => unknown)(3),
    ArgumentError,
    ['Tensor', 'tensor(device, data, shape)', '3'],
  ],
  [
    'Device: with new',
    (t) => new (t([1]).device.constructor as never as new () => unknown)(),
    ArgumentError,
    ['Device', 'openDevice'],
  ],
  [
    'SymbolicTensor: nothing',
    () => new tg.SymbolicTensor(undefined as never),
    ArgumentError,
    ['SymbolicTensor', 'input(shape)'],
  ],
  ['reshape: negative', (t) => tg.reshape(t([2, 3]), [-2, 6]), ArgumentError, ['reshape', '-2']],
  ['reshape: two unknown', (t) => tg.reshape(t([2, 3]), [-1, -1]), ArgumentError, ['reshape', '[-1,-1]', 'only one']],
  ['reshape: no whole', (t) => tg.reshape(t([2, 3]), [-1, 4]), ShapeError, ['reshape', '[2,3]', '6', '[-1,4]']],
  ['reshape: empty', (t) => tg.reshape(t([0, 3]), [-1, 0]), ShapeError, ['reshape', '[0,3]', '[-1,0]']],
  ['reshape: sparse', (t) => tg.reshape(t([2, 3]), new Array(2)), ArgumentError, ['reshape']],
  ['clip: min above max', (t) => tg.clip(t([2]), { min: 2, max: -1 }), ArgumentError, ['clip', 'min is 2', 'max -1']],
  ...[new Array(2), new Proxy([2, 2], throwing), Object.defineProperty([2, 2], 0, throwing), [2, 2, 2], '22'].map(
    (size): InvalidCall => [
      `resize: an invalid size, ${typeof size}`,
      (t) => tg.resize(t([1, 4, 4, 2]), size as [number, number]),
      ArgumentError,
      ['resize: '],
    ],
  ),
  ...[-1, 2 ** 32, 0.5, Number.NaN].map(
    (value): InvalidCall => [
      `pad: ${value} in a tensor of u32`,
      (t) => tg.pad(t([2], { dtype: 'u32' }), [[1, 1]], { value }),
      ArgumentError,
      [`pad: the number ${value} is not u32`],
    ],
  ),
  ['mean: empty', (t) => tg.mean(t([0, 3])), ShapeError, ['mean', '[0,3]']],
  ['sum: dtype', (t) => tg.sum(t([2], { dtype: 'u32' })), ArgumentError, ['sum', 'u32']],
  [
    'softmaxCrossEntropy: batch',
    (t) => tg.softmaxCrossEntropy(t([4, 10]), t([3], { dtype: 'u32' })),
    ShapeError,
    ['softmaxCrossEntropy', '[4,10]', '[3]'],
  ],
  [
    'softmaxCrossEntropy: float labels',
    (t) => tg.softmaxCrossEntropy(t([4, 10]), t([4])),
    ArgumentError,
    ['softmaxCrossEntropy', 'labels', 'f32'],
  ],
  [
    'softmaxCrossEntropy: one-hot labels',
    (t) => tg.softmaxCrossEntropy(t([4, 10]), t([4, 10], { dtype: 'u32' })),
    ShapeError,
    ['softmaxCrossEntropy', '[4,10]'],
  ],
  [
    'conv2d: activation',
    (t) => tg.conv2d(t([1, 8, 8, 3]), t([5, 5, 3, 6]), null, { activation: 'softplus' as 'relu' }),
    ArgumentError,
    ['conv2d', 'activation', 'softplus'],
  ],
  [
    'linear: activation',
    (t) => tg.linear(t([2, 3]), t([3, 5]), null, { activation: 'softplus' as 'relu' }),
    ArgumentError,
    ['linear', 'activation', 'softplus'],
  ],
  ['relu: no tensor', () => tg.relu(undefined as unknown as Tensor), ArgumentError, ['relu', 'the input', 'undefined']],
  ['add: a string', (t) => tg.add(t([1]), '1' as unknown as Tensor), ArgumentError, ['add', 'the right tensor', '1']],
  [
    'linear: a bias of 0',
    (t) => tg.linear(t([2, 3]), t([3, 5]), 0 as unknown as Tensor),
    ArgumentError,
    ['linear', 'the bias', '0'],
  ],
  [
    'backward: a number',
    (t) => tensor(t([1]).device, [1, 2], [2], { requiresGrad: true }).backward(1 as unknown as Tensor),
    ArgumentError,
    ['backward', 'the gradient', '1'],
  ],
  [
    'matmul: null options',
    (t) => tg.matmul(t([1, 1]), t([1, 1]), null as unknown as object),
    ArgumentError,
    ['matmul', 'null'],
  ],
];

/** Operators with other arguments than options after their tensors, and operators that take a list of tensors. */
const POSITIONAL: ReadonlySet<string> = new Set([
  'cast',
  'oneHot',
  'split',
  'concat',
  'expandDims',
  'gather',
  'pad',
  'reshape',
  'resize',
  'slice',
  'squeeze',
  'stack',
  'transpose',
]);
const LISTS: ReadonlySet<string> = new Set(['concat', 'stack']);

/** Exports of src/autograd other than operators. */
const OTHERS: readonly string[] = ['noGrad', 'operators', 'scope', 'tensor', 'Tensor'];
const publicOperators = Object.entries(autograd).filter(([name]) => !OTHERS.includes(name));
/** Number of tensors of an operator, if it differs from `length` of the function. */
const ARITY: Partial<Record<string, number>> = {
  argmax: 1,
  argmin: 1,
  avgPool2d: 1,
  batchNorm: 3,
  batchNormInference: 5,
  cast: 1,
  clip: 1,
  concat: 2,
  conv2d: 3,
  depthwiseConv2d: 3,
  dropout: 1,
  expandDims: 1,
  linear: 3,
  maxPool2d: 1,
  oneHot: 1,
  pad: 1,
  reshape: 1,
  resize: 1,
  slice: 1,
  split: 1,
  stack: 2,
};

describeOnDevice('operators: invalid arguments', (device: Device) => {
  const make: Make = (shape, { dtype, models = 1 } = {}) => {
    const size = models * shape.reduce((product, n) => product * n, 1);
    return tensor(device, new Array(size).fill(1), shape, { dtype, models });
  };

  function expectRefused([, call, error, says]: InvalidCall): void {
    const thrown = grab(() => tg.scope(device, () => void call(make)));
    expect(thrown).toBeInstanceOf(error);
    for (const part of says) expect((thrown as Error).message).toContain(part);
  }

  test.each(wrong.map((row) => [row[0], row] as const))('%s', (_what, row) => expectRefused(row));

  test.each<[string, () => unknown, typeof TilegradError]>([
    ['tensor: too few values', () => tensor(device, [1, 2], [3]), ShapeError],
    ['tensor: too many values for one replica', () => tensor(device, [1, 2], [1]), ShapeError],
    ['tensor: a fractional size', () => tensor(device, [1], [1.5]), ArgumentError],
    ['tensor: a negative size', () => tensor(device, [1], [-1]), ArgumentError],
    ['tensor: no shape', () => tensor(device, [1], undefined as unknown as number[]), ArgumentError],
    ['tensor: no data', () => tensor(device, null as unknown as number[], [1]), ArgumentError],
    ['tensor: an unknown dtype', () => tensor(device, [1], [1], { dtype: 'f64' as 'f32' }), ArgumentError],
    ['tensor: a fraction as u32', () => tensor(device, [1.5], [1], { dtype: 'u32' }), ArgumentError],
    ['tensor: a negative u32', () => tensor(device, [-1], [1], { dtype: 'u32' }), ArgumentError],
    ['tensor: an i32 too large', () => tensor(device, [2 ** 31], [1], { dtype: 'i32' }), ArgumentError],
    ['tensor: null options', () => tensor(device, [1], [1], null as unknown as object), ArgumentError],
    ['tensor: no models', () => tensor(device, [], [1], { models: 0 }), ArgumentError],
    [
      'tensor: integers with gradients',
      () => tensor(device, [1], [1], { dtype: 'u32', requiresGrad: true }),
      ArgumentError,
    ],
  ])('%s', (_what, call, error) => {
    expect(grab(call)).toBeInstanceOf(error);
  });

  test('throws ArgumentError for a tensor of another device', async () => {
    using other = await tg.openDevice();
    using a = tensor(device, [1], [1]);
    using b = tensor(other, [1], [1]);
    const thrown = grab(() => tg.add(a, b));
    expect(thrown).toBeInstanceOf(ArgumentError);
    expect((thrown as Error).message).toMatch(/^add: .*different devices/);
    await other.sync();
  });

  test('softmaxCrossEntropy: an invalid label makes the loss NaN, and the gradient only in its row', async () => {
    const logits = tensor(device, [1, 2, 3, 1, 2, 3, 1, 2, 3], [3, 3], { requiresGrad: true });
    const labels = tensor(device, [2, 3, 0xffffffff], [3], { dtype: 'u32' });
    const { loss, hits } = tg.softmaxCrossEntropyWithHits(logits, labels);
    loss.backward();
    expect(await loss.item()).toBeNaN();
    expect([...(await hits.data())]).toEqual([1, 0, 0]);
    const gradient = [...(await logits.grad!.data())];
    expect(gradient.slice(0, 3).every(Number.isFinite)).toBe(true);
    expect(gradient.slice(3)).toEqual(new Array(6).fill(Number.NaN));
    for (const t of [logits, labels, loss, hits, logits.grad!]) t.dispose();
  });

  test('throws DisposedError for a disposed tensor', () => {
    const x = make([2]);
    x.dispose();
    x.dispose(); // harmless
    expect(grab(() => tg.relu(x))).toBeInstanceOf(tg.DisposedError);
  });

  const shapes = [[], [0], [1], [4], [2, 2], [4, 4], [1, 4, 4], [1, 4, 4, 2], [2, 2, 2, 3], [1, 1, 2, 2], [0, 4, 4, 2]];
  let pool: Tensor[] = [];
  beforeAll(() => {
    pool = shapes.flatMap((shape) => [
      make(shape),
      tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(0), shape, { requiresGrad: true }),
      make(shape, { dtype: 'u32' }),
      make(shape, { models: 2 }),
    ]);
    const disposed = make([2, 2]);
    disposed.dispose();
    pool.push(disposed);
  });
  afterAll(() => {
    for (const t of pool) t.dispose();
  });

  const oddity = fc.oneof(
    fc.integer({ min: -3, max: 5 }),
    fc.constantFrom('same', 'valid', 'relu'),
    fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 5 }),
    fc.anything(),
  );

  test.each(publicOperators)('%s: works or throws a TilegradError for any arguments', async (name, exported) => {
    const operator = exported as (...args: unknown[]) => unknown;
    const arity = ARITY[name] ?? operator.length;
    const input = fc.oneof(
      { weight: 9, arbitrary: fc.nat({ max: 4 * shapes.length }).map((inPool) => ({ inPool })) },
      { weight: 1, arbitrary: fc.anything().map((value) => ({ value })) },
    );
    const inputs = fc.array(input, { minLength: arity, maxLength: arity });
    // Only known names, because an unknown option throws at once.
    const options = fc.dictionary(fc.constantFrom(...(operatorOptions[name] ?? ['none'])), oddity);
    const last = POSITIONAL.has(name) ? oddity : fc.oneof({ weight: 9, arbitrary: options }, oddity);
    let refused = 0;
    fc.assert(
      fc.property(inputs, last, (which, extra) => {
        tg.scope(device, () => {
          const given = which.map((one) => ('inPool' in one ? pool[one.inPool] : one.value));
          const thrown = grab(() => operator(...(LISTS.has(name) ? [given] : given), extra, extra));
          if (thrown) refused++;
          if (thrown && !(thrown instanceof TilegradError)) throw thrown;
        });
      }),
      { seed: FAST_CHECK_SEED, numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(0);
    // Errors of the adapter come late, with the next read: no accepted call may have caused one.
    expect([...(await pool[4 * 2]!.data())]).toEqual([1]);
  });
});

function grab(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}
