import { expect, test } from 'vitest';
import { fusedActivations } from '../../src/kernels/epilogue.ts';
import * as softmaxKernels from '../../src/kernels/softmax/softmax.ts';
import {
  Activation,
  type ActivationName,
  binaryCrossentropy,
  Conv2D,
  categoricalCrossentropy,
  Dense,
  type Device,
  type Layer,
  logSoftmax,
  Sequential,
  scope,
  softmax,
  softmaxCrossEntropy,
  sparseCategoricalCrossentropy,
  Tensor,
  tensor,
} from '../../src/node.ts';
import { type OperatorName, references } from '../reference/index.ts';
import { ndarray } from '../reference/ndarray.ts';
import { runOperator } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { bounded } from '../support/precision.ts';

// Relative errors of values and derivatives where these are small. The float64 formulas here have no cancellation: nothing is
// subtracted from 1, and they differ from those of the kernels and of test/reference.

/** -40 .. 40, near 0, and at the ends of the range of f32 and exp. */
const points = [
  ...Array.from({ length: 1281 }, (_, i) => -40 + i / 16),
  ...[0.3, 0.1, 0.0101, 0.0099, 1e-3, 1e-5, 1e-10, 1e-30, 45.3, 86.9, 88.7, 89, 104, 1e3, 1e10, 1e20, 3e38].flatMap(
    (x) => [x, -x],
  ),
].map(Math.fround);

const { exp, abs, sqrt, PI } = Math;
/** 1 / (1 + e^-x): relative error is float64's on both sides. */
const logistic = (x: number) => (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)));
/** 1 / cosh(x)^2, which overflows to 0 where it should. */
const sech2 = (x: number) => 1 / Math.cosh(x) / Math.cosh(x);
const phi = (x: number) => exp((-x * x) / 2) / sqrt(2 * PI);
/** The probability beyond s >= 0 of a normal distribution: Simpson's rule on phi(s) times the integral of e^(-st - t^2/2). */
function beyond(s: number): number {
  const [steps, end] = [4000, 40 / (1 + s)];
  const h = end / steps;
  const f = (t: number) => exp(-s * t - (t * t) / 2);
  let sum = f(0) + f(end);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 0 ? 2 : 4) * f(i * h);
  return (phi(s) * sum * h) / 3;
}
const cdf = (x: number) => (abs(x) > 40 ? (x > 0 ? 1 : 0) : x < 0 ? beyond(-x) : 1 - beyond(x));
const inner = (x: number) => 2 * sqrt(2 / PI) * (x + 0.044715 * x ** 3);
const innerSlope = (x: number) => 2 * sqrt(2 / PI) * (1 + 0.134145 * x * x);

interface Curve {
  operator: OperatorName;
  attrs?: object;
  y(x: number): number;
  slope(x: number): number;
  /** The size of the terms of the slope, where they may cancel because it has a zero. */
  terms?(x: number): number;
}

const LEAK = Math.fround(0.2);
const curves: Record<Exclude<ActivationName, 'softmax' | 'linear'> | 'geluTanh', Curve> = {
  relu: { operator: 'relu', y: (x) => (x > 0 ? x : 0), slope: (x) => (x > 0 ? 1 : 0) },
  relu6: { operator: 'relu6', y: (x) => (x > 0 ? Math.min(x, 6) : 0), slope: (x) => (x > 0 && x < 6 ? 1 : 0) },
  leakyRelu: {
    operator: 'leakyRelu',
    attrs: { negativeSlope: 0.2 },
    y: (x) => (x > 0 ? x : LEAK * x),
    slope: (x) => (x > 0 ? 1 : LEAK),
  },
  elu: { operator: 'elu', y: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x) => (x > 0 ? 1 : exp(x)) },
  sigmoid: { operator: 'sigmoid', y: logistic, slope: (x) => (abs(x) > 300 ? 0 : 1 / (2 + 2 * Math.cosh(x))) },
  tanh: { operator: 'tanh', y: Math.tanh, slope: (x) => (abs(x) > 300 ? 0 : sech2(x)) },
  softplus: { operator: 'softplus', y: (x) => (x > 0 ? x + Math.log1p(exp(-x)) : Math.log1p(exp(x))), slope: logistic },
  gelu: {
    operator: 'gelu',
    y: (x) => x * cdf(x),
    slope: (x) => cdf(x) + (abs(x) > 40 ? 0 : x * phi(x)),
    terms: (x) => cdf(x) + (abs(x) > 40 ? 0 : abs(x) * phi(x)),
  },
  geluTanh: {
    operator: 'gelu',
    attrs: { approximate: true },
    y: (x) => x * logistic(inner(x)),
    slope: (x) => {
      if (abs(x) > 40) return x > 0 ? 1 : 0;
      return logistic(inner(x)) + x * innerSlope(x) * logistic(inner(x)) * logistic(-inner(x));
    },
    terms: (x) => {
      if (abs(x) > 40) return 0;
      return logistic(inner(x)) + abs(x) * innerSlope(x) * logistic(inner(x)) * logistic(-inner(x));
    },
  },
};

const TINY = 2 ** -126; // below it f32 is subnormal, which an adapter may flush to 0

/** A few roundings, and WGSL's own bound of exp (test/support/precision.ts), which loses 2 ulp with every unit of its argument. */
const toleranceFor = (expected: number) => 1e-6 + 2.5e-7 * abs(Math.log(abs(expected)));

function expectTails(
  what: string,
  xs: readonly number[],
  actual: ArrayLike<number>,
  expected: (x: number) => number,
  terms = expected,
  off = 0,
) {
  let worst = '';
  let largest = 1;
  for (const [i, x] of xs.entries()) {
    const [got, right] = [actual[i]!, Math.min(expected(x), 3.4e38)];
    const apart = Math.max(abs(got - right) - off, 0);
    const error = abs(right) < TINY && abs(got) <= TINY ? 0 : apart / Math.max(abs(right), abs(terms(x)));
    const share = error / toleranceFor(Math.max(abs(right), TINY));
    if (!(share <= largest)) {
      largest = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
      worst = `${what} at ${x}: got ${got}, expected ${right}, relative error ${error}`;
    }
  }
  expect(worst).toBe('');
}

/** Output for the points, and derivative, of a single layer with weights 1 and bias 0. */
async function throughLayer(device: Device, layer: Layer, shape: number[]) {
  const model = new Sequential([layer]).build(device);
  for (const { name, tensor: weight } of model.weights) {
    device.upload(
      weight.array.storage,
      Float32Array.from({ length: weight.size }, () => (name.endsWith('bias') ? 0 : 1)),
    );
  }
  const x = tensor(device, points, [points.length, ...shape], { requiresGrad: true });
  const results = scope(device, () => {
    const output = model.call(x, { training: true });
    output.backward(
      tensor(
        device,
        points.map(() => 1),
        output.shape,
      ),
    );
    return { output, dx: x.grad! };
  });
  const result = { output: await results.output.data(), dx: await results.dx.data() };
  for (const owned of [results.output, results.dx, x, model]) owned.dispose();
  return result;
}

test.each(Object.entries(curves))(
  '%s: the float64 reference has the expected tails',
  (name, { operator, attrs = {}, y, slope, terms }) => {
    const x = ndarray([points.length], points);
    const output = references[operator].forward([x], attrs);
    const [dx] = references[operator].backward(
      [x],
      output,
      ndarray(
        [points.length],
        points.map(() => 1),
      ),
      attrs,
    );
    expectTails(`${name}, value`, points, output.data, y);
    expectTails(`${name}, derivative`, points, dx!.data, slope, terms ?? slope);
  },
);

describeOnDevice('tails of activations', (device) => {
  /** Error that WGSL allows of tanh, in addition to that of exp. */
  const offBy = (name: string) => (name === 'tanh' ? bounded(device, 0, 1e-5) : 0);
  const ones = points.map(() => 1);

  test.each(Object.entries(curves))(
    '%s, pointwise: values and derivatives',
    async (name, { operator, attrs = {}, y, slope, terms }) => {
      const { output, grads } = await runOperator(
        device,
        operator,
        [{ shape: [points.length], data: points }],
        attrs,
        ones,
      );
      expectTails(`${name}, value`, points, output, y, y, offBy(name));
      expectTails(`${name}, derivative`, points, grads[0]!, slope, terms ?? slope);
    },
  );

  test.each(fusedActivations)('%s, fused into linear and conv2d: values and derivatives', async (name) => {
    const { attrs = {}, y, slope } = curves[name];
    const n = points.length;
    for (const [operator, x, w] of [
      ['linear', [n, 1], [1, 1]],
      ['conv2d', [n, 1, 1, 1], [1, 1, 1, 1]],
    ] as const) {
      const inputs = [
        { shape: x, data: points },
        { shape: w, data: [1] },
        { shape: [1], data: [0] },
      ];
      const { output, grads } = await runOperator(device, operator, inputs, { ...attrs, activation: name }, ones);
      expectTails(`${operator} ${name}, value`, points, output, y, y, offBy(name));
      expectTails(`${operator} ${name}, derivative`, points, grads[0]!, slope);
    }
  });

  test.each(Object.keys(curves).filter((name) => name !== 'geluTanh') as ActivationName[])(
    '%s, in layers: values and derivatives',
    async (name) => {
      const { y, slope, terms } = curves[name as 'gelu'];
      for (const [layer, shape] of [
        [new Activation(name, { inputShape: [1] }), [1]],
        [new Dense({ units: 1, activation: name, inputShape: [1] }), [1]],
        [new Conv2D({ filters: 1, kernelSize: 1, activation: name, inputShape: [1, 1, 1] }), [1, 1, 1]],
      ] as const) {
        const { output, dx } = await throughLayer(device, layer, [...shape]);
        expectTails(`${layer.kind} ${name}, value`, points, output, y, y, offBy(name));
        expectTails(`${layer.kind} ${name}, derivative`, points, dx, slope, terms ?? slope);
      }
    },
  );

  /** log(1 + e^x) */
  const softplus = curves.softplus.y;
  const near = points.filter((x) => abs(x) < 1e3);

  test.each(softmaxKernels.softmaxVariants)(
    'two classes, one with a much larger logit: softmax, log-softmax and their gradients: %s',
    async (variant) => {
      if (!softmaxKernels.softmaxSupports(variant, device)) return;
      const n = near.length;
      const results = scope(device, () => {
        const x = tensor(
          device,
          near.flatMap((value) => [value, 0]),
          [n, 2],
        ).array;
        const dy = tensor(
          device,
          near.flatMap(() => [1, 0]),
          [n, 2],
        ).array;
        const [y, logs] = [softmaxKernels.softmax(x, 1, { variant }), softmaxKernels.logSoftmax(x, 1, { variant })];
        const labels = tensor(
          device,
          near.map(() => 0),
          [n],
          { dtype: 'u32' },
        ).array;
        const { dlogits } = softmaxKernels.softmaxCrossEntropy(x, labels, { variant });
        const [dx, dlogs] = [
          softmaxKernels.softmaxGrad(y, dy, 1, { variant }),
          softmaxKernels.logSoftmaxGrad(logs, dy, 1, { variant }),
        ];
        return {
          y: new Tensor(y),
          logs: new Tensor(logs),
          dx: new Tensor(dx),
          dlogs: new Tensor(dlogs),
          dlogits: new Tensor(dlogits),
        };
      });
      const columns = async (key: keyof typeof results) => {
        const values = await results[key].data();
        return [0, 1].map((c) => near.map((_, i) => values[2 * i + c]!));
      };
      const slope = curves.sigmoid.slope;
      for (const [key, first, second] of [
        ['y', logistic, (x: number) => logistic(-x)],
        ['logs', (x: number) => -softplus(-x), (x: number) => -softplus(x)],
        ['dx', slope, (x: number) => -slope(x)],
        ['dlogs', (x: number) => logistic(-x), (x: number) => -logistic(-x)],
        ['dlogits', (x: number) => -logistic(-x) / n, (x: number) => logistic(-x) / n],
      ] as const) {
        const [a, b] = await columns(key);
        expectTails(`${key}[0]`, near, a!, first);
        expectTails(`${key}[1]`, near, b!, second);
      }
      for (const owned of Object.values(results)) owned.dispose();
    },
  );

  /** A loss of one row and its gradient for it. */
  async function lossOf(x: number[], loss: (output: Tensor) => Tensor) {
    const input = tensor(device, x, [1, x.length], { requiresGrad: true });
    const results = scope(device, () => {
      const value = loss(input);
      value.backward();
      return { value, dx: input.grad! };
    });
    const result = { value: (await results.value.data())[0]!, dx: await results.dx.data() };
    for (const owned of [results.value, results.dx, input]) owned.dispose();
    return result;
  }

  const some = [-40, -30.5, -17, -12, -7, -6.5, -3, -0.5, 0, 0.25, 2, 6.5, 7, 9, 12, 16, 17, 20, 33, 40];

  test('losses of logits: with a much larger and a much smaller logit of the true class', async () => {
    for (const [name, loss] of Object.entries({
      softmaxCrossEntropy: (x: Tensor) => softmaxCrossEntropy(x, tensor(device, [0], [1], { dtype: 'u32' })),
      sparseCategoricalCrossentropy: (x: Tensor) =>
        sparseCategoricalCrossentropy(x, tensor(device, [0], [1], { dtype: 'u32' }), {
          fromLogits: true,
          sampleWeight: tensor(device, [1], [1]),
        }),
      categoricalCrossentropy: (x: Tensor) =>
        categoricalCrossentropy(x, tensor(device, [1, 0], [1, 2]), { fromLogits: true }),
    })) {
      const values = [];
      const grads: number[][] = [[], []];
      for (const x of some) {
        const { value, dx } = await lossOf([x, 0], loss);
        values.push(value);
        for (const c of [0, 1]) grads[c]!.push(dx[c]!);
      }
      expectTails(name, some, values, (x) => softplus(-x));
      expectTails(`${name}, dx[0]`, some, grads[0]!, (x) => -logistic(-x));
      expectTails(`${name}, dx[1]`, some, grads[1]!, (x) => logistic(-x));
    }
    for (const t of [0, 1, 0.25]) {
      const [values, grads]: [number[], number[]] = [[], []];
      for (const x of some) {
        const { value, dx } = await lossOf([x], (y) =>
          binaryCrossentropy(y, tensor(device, [t], [1, 1]), { fromLogits: true }),
        );
        values.push(value);
        grads.push(dx[0]!);
      }
      expectTails(`binaryCrossentropy of ${t}`, some, values, (x) => t * softplus(-x) + (1 - t) * softplus(x));
      expectTails(
        `binaryCrossentropy of ${t}, dx`,
        some,
        grads,
        (x) => (1 - t) * logistic(x) - t * logistic(-x),
        (x) => (1 - t) * logistic(x) + t * logistic(-x),
      );
    }
  });

  test('log near 1, and losses of probabilities near 1', async () => {
    const near1 = Array.from({ length: 24 }, (_, k) => 2 ** -k / 1.9)
      .flatMap((d) => [1 - d, 1 + d])
      .map(Math.fround);
    const xs = [...near1, 0.5, 2, 1e-3, 1e3, 1e-30, 1e30].filter((x) => x !== 1);
    const { output } = await runOperator(
      device,
      'log',
      [{ shape: [xs.length], data: xs }],
      {},
      Array(xs.length).fill(1),
    );
    expectTails('log', xs, output, (x) => (abs(x - 1) < 0.5 ? Math.log1p(x - 1) : Math.log(x)));
    const confident = near1.filter((p) => p < 1 - 2e-7 && p > 0.5);
    const values = [];
    for (const p of confident) {
      const { value } = await lossOf([p], (y) => binaryCrossentropy(y, tensor(device, [1], [1, 1])));
      values.push(value);
    }
    expectTails('binaryCrossentropy of probabilities', confident, values, (p) => -Math.log1p(p - 1));
  });

  test('logSoftmax: sums the terms without the largest for ties, one class and many classes', async () => {
    for (const [x, label] of [
      [[3, 3], 0],
      [[5], 0],
      [[30, 30, 5], 1],
      [[20, ...Array(600).fill(0)], 0],
    ] as const) {
      const { value, dx } = await lossOf([...x], (logits) =>
        softmaxCrossEntropy(logits, tensor(device, [label], [1], { dtype: 'u32' })),
      );
      const top = Math.max(...x);
      const rest = x.reduce((sum: number, v, c) => (c === label ? sum : sum + exp(v - top)), 0); // the label is at the top
      expect(abs(value - Math.log1p(rest))).toBeLessThanOrEqual(2e-6 * Math.log1p(rest));
      expect(abs(dx[label]! + rest / (1 + rest))).toBeLessThanOrEqual((2e-6 * rest) / (1 + rest));
      const input = tensor(device, x, [x.length]);
      const [logs, shares] = [logSoftmax(input), softmax(input)];
      const log = (await logs.data())[label]!;
      expect(abs(log + Math.log1p(rest))).toBeLessThanOrEqual(2e-6 * Math.log1p(rest));
      for (const owned of [logs, shares, input]) owned.dispose();
    }
  });
});
