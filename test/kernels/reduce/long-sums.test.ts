import { afterEach, expect, test } from 'vitest';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import { batchNormParameterGrads, batchNormVariants, batchStatistics } from '../../../src/kernels/norm/batch-norm.ts';
import { BLOCK } from '../../../src/kernels/optimizers/blocks.ts';
import { clipByNorm } from '../../../src/kernels/optimizers/clip.ts';
import { penaltyValue } from '../../../src/kernels/optimizers/penalties.ts';
import { fill } from '../../../src/kernels/pointwise/pointwise.ts';
import { reduceMiddle, reduceSupports, reduceVariants } from '../../../src/kernels/reduce/reduce-variants.ts';
import { f32Bits } from '../../../src/kernels/run.ts';
import * as softmaxKernels from '../../../src/kernels/softmax/softmax.ts';
import {
  add,
  avgPool2d,
  biasAdd,
  gather,
  globalAveragePool2d,
  max,
  maxPool2d,
  mean,
  meanAbsoluteError,
  meanSquaredError,
  mul,
  resize,
  scope,
  sum,
  Tensor,
  tensor,
  where,
} from '../../../src/node.ts';
import type { OperatorName } from '../../reference/index.ts';
import { compareWithReference, type HostInput, hostInputs, runOperator } from '../../support/adapter.ts';
import { expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';

// Sums of equal terms, in which a single f32 accumulator drifts: it rounds every addition the same way. The result is known.

/** Terms of the longest sums; up to this number, the relative error must be at most 1e-5. */
const N = 1e7;
const RIGHT = 1e-5;
/** The value of each term: 0.1 rounded to f32. */
const TERM = Math.fround(0.1);

function expectRight(what: string, actual: number, expected: number): void {
  const error = Math.abs(actual - expected) / Math.abs(expected);
  expect(error <= RIGHT ? '' : `${what}: got ${actual}, expected ${expected}, off by ${error}`).toBe('');
}

describeOnDevice('long sums of equal terms', (device) => {
  const owned: { dispose(): void }[] = [];
  afterEach(() => {
    for (const one of owned.splice(0)) one.dispose();
  });

  /** An array filled with one value on the adapter. */
  const full = (shape: readonly number[], value = TERM): DeviceArray => {
    const array = fill(device, shape, value);
    owned.push(array);
    return array;
  };
  const leaf = (shape: readonly number[]) => new Tensor(full(shape), true);
  /** The first values of an array: enough, because all ten million are equal. */
  const values = async (array: DeviceArray): Promise<Float32Array> =>
    new Float32Array(await device.read(array.storage, Math.min(4 * array.size, 2 ** 17)));

  for (const variant of reduceVariants) {
    for (const [outer, rows, channels] of [
      [1, N, 1],
      [1, N / 5, 4],
      [2, N / 4, 1],
      [70, 100_000, 1],
      [1, 300_000, 33],
    ] as const) {
      test(`sum of ${rows} rows, ${outer} x ${channels}: ${variant}`, async () => {
        if (!reduceSupports(variant, device, { outer, rows, channels })) return;
        const y = full([outer, channels], 0);
        reduceMiddle('reduceSum', full([outer, rows, channels]), { outer, rows, channels }, y, { factor: 1, variant });
        for (const total of await values(y)) expectRight(variant, total, rows * TERM);
      });
    }
  }

  test('sum and mean over any axes, and gradients of broadcasting', async () => {
    const forward: [name: string, n: number, shape: number[], run: (x: Tensor) => Tensor][] = [
      ['sum', N, [N], (x) => sum(x)],
      ['sum of the first axis', N / 5, [N / 5, 3], (x) => sum(x, { axis: 0 })],
      ['sum of the last axis', N / 2, [2, N / 2], (x) => sum(x, { axis: -1 })],
      ['sum of two axes that are not adjacent', N / 3 - 1 / 3, [1111111, 3, 3], (x) => sum(x, { axis: [0, 2] })],
      ['mean', 1, [N], (x) => mean(x)],
      ['globalAveragePool2d', 1, [1, 2000, 2500, 2], (x) => globalAveragePool2d(x)],
      ['meanAbsoluteError', 1, [N], (x) => meanAbsoluteError(x, new Tensor(full([N], 0)))],
      ['meanSquaredError', TERM, [N], (x) => meanSquaredError(x, new Tensor(full([N], 0)))],
    ];
    for (const [name, n, shape, run] of forward) {
      const y = scope(device, () => run(new Tensor(full(shape))));
      owned.push(y);
      const terms = name === 'sum of two axes that are not adjacent' ? 1111111 * 3 : n;
      expectRight(name, (await values(y.array))[0]!, terms * TERM);
      for (const one of owned.splice(0)) one.dispose();
    }
    const backward: [name: string, n: number, shape: number[], run: (x: Tensor) => Tensor, dy: number[]][] = [
      ['mul', N, [], (x) => mul(x, new Tensor(full([N], 1))), [N]],
      ['add', N / 4, [1, 2], (x) => add(x, new Tensor(full([N / 4, 2]))), [N / 4, 2]],
      ['biasAdd', N / 5, [5], (x) => biasAdd(new Tensor(full([N / 5, 5])), x), [N / 5, 5]],
      ['where', N, [], (x) => where(new Tensor(full([N], 1)), x, new Tensor(full([N]))), [N]],
      ['gather', N, [3, 1], (x) => gather(x, ids(N, 0), 0), [N, 1]],
      ['resize, bilinear', 2500 * 3000, [1, 1, 1, 1], (x) => resize(x, [2500, 3000]), [1, 2500, 3000, 1]],
      ['resize, nearest', 1e6, [1, 1, 1, 1], (x) => resize(x, [1, 1e6], { method: 'nearest' }), [1, 1, 1e6, 1]],
    ];
    const ids = (n: number, value: number) => {
      const t = tensor(device, new Uint32Array(n).fill(value), [n], { dtype: 'u32' });
      owned.push(t);
      return t;
    };
    for (const [name, n, shape, run, dyShape] of backward) {
      const x = leaf(shape);
      scope(device, () => {
        run(x).backward(new Tensor(full(dyShape)));
        return [];
      });
      owned.push(x.grad!);
      expectRight(`${name}, gradient`, (await values(x.grad!.array))[0]!, n * TERM);
      for (const one of owned.splice(0)) one.dispose();
    }
  });

  test('max: ten million equal elements share the gradient evenly', async () => {
    const x = leaf([N]);
    scope(device, () => {
      max(x).backward();
      return [];
    });
    owned.push(x.grad!);
    expectRight('max', (await values(x.grad!.array))[5]!, 1 / N);
  });

  test.each([
    [
      [1, 2500, 4000, 1],
      [2500, 4000],
    ],
    [
      [1, 1, N, 1],
      [1, N],
    ],
    [
      [1, N / 4, 2, 2],
      [N / 4, 2],
    ],
    [
      [1, 300, 400, 4],
      [20, 20],
    ],
  ])('avgPool2d of %j by windows of %j', async (shape, poolSize) => {
    const y = scope(device, () => avgPool2d(new Tensor(full(shape)), { poolSize: poolSize as [number, number] }));
    owned.push(y);
    expectRight('avgPool2d', (await values(y.array))[0]!, TERM);
  });

  test("pooling with overlapping windows: a pixel's gradient from thousands of windows", async () => {
    const [size, pool] = [20_000, 10_000];
    const data = new Float32Array(size);
    data[size / 2] = 1;
    const x = tensor(device, data, [1, 1, size, 1], { requiresGrad: true });
    owned.push(x);
    for (const [name, n] of [
      ['avgPool2d', 1],
      ['maxPool2d', pool],
    ] as const) {
      scope(device, () => {
        const y = (name === 'avgPool2d' ? avgPool2d : maxPool2d)(x, { poolSize: [1, pool], strides: 1 });
        y.backward(new Tensor(full(y.shape)));
        return [];
      });
      owned.push(x.grad!);
      expectRight(name, (await values(x.grad!.array))[size / 2]!, n * TERM);
      x.grad = null;
    }
  });

  for (const variant of batchNormVariants) {
    test.each([
      [N, 1],
      [1_000_000, 6],
    ])(`batch norm of %d rows, %d channels: ${variant}`, async (rows, channels) => {
      // 0 and 0.2 alternate: equal deviations from the mean 0.1, on either side.
      const data = new Float32Array(rows * channels);
      for (let row = 1; row < rows; row += 2) data.fill(2 * TERM, row * channels, (row + 1) * channels);
      const x = tensor(device, data, [rows, channels]);
      owned.push(x);
      const batch = batchStatistics('batchNorm', x.array, null, { variant });
      owned.push(batch.mean, batch.variance);
      expectRight('mean', (await values(batch.mean))[0]!, TERM);
      expectRight('variance', (await values(batch.variance))[0]!, TERM ** 2);
      const [zero, one] = [full([channels], 0), full([channels], 1)];
      const statistics = { mean: zero, variance: one };
      const ones = full([rows, channels], 1);
      const { dscale, doffset } = batchNormParameterGrads(ones, full([rows, channels]), statistics, 0, { variant });
      owned.push(dscale, doffset);
      for (const of of [dscale, doffset]) expectRight('gradient', (await values(of))[0]!, rows * TERM);
    });
  }

  for (const variant of softmaxKernels.softmaxVariants) {
    test(`softmax of ten million classes, log-softmax, their gradients and cross-entropy: ${variant}`, async () => {
      if (!softmaxKernels.softmaxSupports(variant, device)) return;
      const run = { variant };
      const x = full([1, N]);
      const [y, logs] = [softmaxKernels.softmax(x, 1, run), softmaxKernels.logSoftmax(x, 1, run)];
      owned.push(y, logs);
      expectRight('softmax', (await values(y))[3]!, 1 / N);
      expectRight('logSoftmax', (await values(logs))[3]!, -Math.log(N));
      const dyValues = new Float32Array(N).fill(TERM);
      dyValues[0] = 0; // its gradient is the sum alone
      const dy = tensor(device, dyValues, [1, N]);
      owned.push(dy);
      const dx = softmaxKernels.softmaxGrad(full([1, N], 1 / N), dy.array, 1, run);
      const dlogs = softmaxKernels.logSoftmaxGrad(full([1, N], -Math.log(N)), dy.array, 1, run);
      owned.push(dx, dlogs);
      expectRight('softmaxGrad', (await values(dx))[0]!, -TERM / N);
      expectRight('logSoftmaxGrad', (await values(dlogs))[0]!, -TERM);
      const label = tensor(device, [7], [1], { dtype: 'u32' });
      const { loss, rowHit, dlogits } = softmaxKernels.softmaxCrossEntropy(x, label.array, run);
      owned.push(label, loss, rowHit, dlogits);
      expectRight('cross-entropy', (await values(loss))[0]!, Math.log(N));
      expectRight('dlogits', (await values(dlogits))[3]!, 1 / N);
    });
  }

  // Each is long enough for sums in levels.
  const longCases: [name: OperatorName, inputs: HostInput['shape'][], attrs: object][] = [
    ['sum', [[300_000]], {}],
    ['mean', [[3, 50_000, 2]], { axis: 1 }],
    ['avgPool2d', [[1, 20, 30, 2]], { poolSize: [20, 30] }],
    ['avgPool2d', [[1, 1, 600, 4]], { poolSize: [1, 300], strides: 1 }],
    ['maxPool2d', [[1, 1, 600, 1]], { poolSize: [1, 300], strides: 1 }],
    ['gather', [[3, 2], [1000]], { axis: 0 }],
    ['resize', [[1, 2, 2, 1]], { size: [3, 700], method: 'bilinear' }],
    ['softmax', [[2, 5000]], {}],
    ['logSoftmax', [[2, 5000]], {}],
    ['softmaxCrossEntropy', [[3, 5000], [3]], {}],
    ['batchNorm', [[70_001, 2], [2], [2]], { epsilon: 1e-3 }],
  ];
  test.each(longCases)(
    '%s of %j, %j: within 1e-5, and each of three replicas has the bits of a single model',
    async (name, shapes, attrs) => {
      const classes = name === 'gather' ? 3 : name === 'softmaxCrossEntropy' ? 5000 : undefined;
      const inputs = shapes.map((shape, k) => ({ shape: [...shape], ...(k === 1 && classes ? { classes } : {}) }));
      await compareWithReference(device, name, { inputs, attrs, seed: 5 });
      const drawn = [5, 6, 7].map((seed) => hostInputs({ inputs, attrs, seed }));
      const douts = (shape: readonly number[]) => [5, 6, 7].map((seed) => Array.from(drawLike(shape, seed).data));
      const together = drawn[0]!.map((input, k) => ({
        ...input,
        data: drawn.flatMap((one) => Array.from(one[k]!.data)),
      }));
      const all = await runOperator(device, name, together, attrs, (shape) => douts(shape).flat(), 3);
      for (const [replica, inputs] of drawn.entries()) {
        const alone = await runOperator(device, name, inputs, attrs, (shape) => douts(shape)[replica]!);
        const part = (values: ArrayLike<number>) => {
          const size = values.length / 3;
          return Array.from(values).slice(replica * size, (replica + 1) * size);
        };
        expectSameBits(alone.output, part(all.output), `${name}, replica ${replica}`);
        for (const [k, grad] of alone.grads.entries()) {
          if (grad) expectSameBits(grad, part(all.grads[k]!), `${name}, gradient ${k}, replica ${replica}`);
        }
      }
    },
  );

  test('cross-entropy: mean of two million rows', async () => {
    const labels = tensor(device, new Uint32Array(2e6), [2e6], { dtype: 'u32' });
    const { loss, rowHit, dlogits } = softmaxKernels.softmaxCrossEntropy(full([2e6, 2]), labels.array);
    owned.push(labels, loss, rowHit, dlogits);
    expectRight('loss', (await values(loss))[0]!, Math.LN2);
  });

  test('penalties and the clipping norm over ten million weights', async () => {
    const blocks = Math.ceil(N / BLOCK);
    const table = (l1: number, l2: number) => {
      const entries = new Uint32Array(4 * blocks);
      for (let i = 0; i < blocks; i++) {
        entries.set([i * BLOCK, Math.min(BLOCK, N - i * BLOCK), f32Bits(l1), f32Bits(l2)], 4 * i);
      }
      const t = tensor(device, entries, [blocks, 4], { dtype: 'u32' });
      owned.push(t);
      return t.array;
    };
    const weights = full([N]);
    for (const [l1, l2, expected] of [
      [1, 0, N * TERM],
      [0, 1, N * TERM ** 2],
    ] as const) {
      const value = penaltyValue(weights, table(l1, l2), { first: 0, blocks });
      owned.push(value);
      expectRight(`l1 ${l1}, l2 ${l2}`, (await values(value))[0]!, expected);
    }
    const [segment, segments] = [
      tensor(device, new Uint32Array(blocks), [blocks], { dtype: 'u32' }),
      tensor(device, [0, blocks], [1, 2], { dtype: 'u32' }),
    ];
    owned.push(segment, segments);
    clipByNorm(weights, { blocks: table(0, 0), segment: segment.array, segments: segments.array }, 1, true);
    expectRight('clipped', (await values(weights))[9]!, 1 / Math.sqrt(N));
  });
});
