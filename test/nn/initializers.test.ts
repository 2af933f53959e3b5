import { expect, test } from 'vitest';
import { RandomStream } from '../../src/base/random.ts';
import {
  ArgumentError,
  Conv2D,
  Dense,
  Flatten,
  glorotUniform,
  type Initializer,
  type InitializerName,
  initializers,
  type Layer,
  Sequential,
  ShapeError,
  zeros,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

// Fans as in Keras: a filter's window multiplies both.
test.each([
  { shape: [300, 200], fanIn: 300, fanOut: 200 },
  { shape: [5, 5, 32, 64], fanIn: 800, fanOut: 1600 },
  { shape: [3, 1, 40, 100], fanIn: 120, fanOut: 300 },
])('glorotUniform of $shape: within its limit, with the right variance', ({ shape, fanIn, fanOut }) => {
  const values = glorotUniform(shape, new RandomStream(5, 'initializer', 0));
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(0.999 * limit);
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + value ** 2, 0) / n;
  expect(Math.abs(mean)).toBeLessThan(4 * (limit / Math.sqrt(3 * n)));
  // The variance of Glorot and Bengio: 2 / (fan in + fan out), within four standard errors of its estimate.
  expect(variance * ((fanIn + fanOut) / 2)).toBeCloseTo(1, 1);
  expect(Math.abs(variance - limit ** 2 / 3)).toBeLessThan(4 * limit ** 2 * Math.sqrt(4 / 45 / n));
});

test('zeros: returns zeros', () => {
  expect([...zeros([3], new RandomStream(5, 'initializer', 0))]).toEqual([0, 0, 0]);
});

const stream = () => new RandomStream(7, 'initializer', 3);
/** Mean, and second and fourth central moments. */
function momentsOf(values: Float32Array) {
  const n = values.length;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const power = (k: number) => values.reduce((sum, x) => sum + (x - mean) ** k, 0) / n;
  return { mean, variance: power(2), fourth: power(4) };
}

// Fan in 3 * 3 * 20 = 180, fan out 3 * 3 * 60 = 540; a normal truncated at two deviations has 0.7737 of the variance.
const CUT = 0.87962566103423978 ** 2;
test.each([
  { name: 'glorotUniform', mean: 0, variance: 1 / 360, bound: Math.sqrt(3 / 360) },
  { name: 'heUniform', mean: 0, variance: 2 / 180, bound: Math.sqrt(6 / 180) },
  { name: 'lecunUniform', mean: 0, variance: 1 / 180, bound: Math.sqrt(3 / 180) },
  { name: 'glorotNormal', mean: 0, variance: 1 / 360, bound: 2 * Math.sqrt(1 / 360 / CUT) },
  { name: 'heNormal', mean: 0, variance: 2 / 180, bound: 2 * Math.sqrt(2 / 180 / CUT) },
  { name: 'lecunNormal', mean: 0, variance: 1 / 180, bound: 2 * Math.sqrt(1 / 180 / CUT) },
  { name: 'truncatedNormal', mean: 0, variance: 0.05 ** 2 * CUT, bound: 0.1 },
  { name: 'randomNormal', mean: 0, variance: 0.05 ** 2, bound: Infinity },
  { name: 'randomUniform', mean: 0, variance: 0.05 ** 2 / 3, bound: 0.05 },
  {
    name: 'randomNormal about 3',
    initializer: initializers.randomNormal({ mean: 3, stddev: 2 }),
    mean: 3,
    variance: 4,
    bound: Infinity,
  },
  {
    name: 'truncatedNormal about -1',
    initializer: initializers.truncatedNormal({ mean: -1, stddev: 0.5 }),
    mean: -1,
    variance: 0.25 * CUT,
    bound: 1,
  },
  {
    name: 'randomUniform from 1 to 4',
    initializer: initializers.randomUniform({ min: 1, max: 4 }),
    mean: 2.5,
    variance: 0.75,
    bound: 1.5,
  },
] as { name: string; initializer?: Initializer; mean: number; variance: number; bound: number }[])(
  '$name: mean, variance and bounds are right',
  ({ name, initializer, mean, variance, bound }) => {
    const make = initializer ?? initializers.initializerOf('test', name as InitializerName);
    const values = make([3, 3, 20, 60], stream());
    const n = values.length;
    const measured = momentsOf(values);
    // Four standard errors of both estimates.
    expect(Math.abs(measured.mean - mean)).toBeLessThan(4 * Math.sqrt(variance / n));
    expect(Math.abs(measured.variance - variance)).toBeLessThan(
      4 * Math.sqrt((measured.fourth - measured.variance ** 2) / n),
    );
    const furthest = values.reduce((max, x) => Math.max(max, Math.abs(x - mean)), 0);
    expect(furthest).toBeLessThanOrEqual(bound * (1 + 1e-6));
    // The range is reached: a normal without truncation exceeds two deviations.
    expect(furthest).toBeGreaterThan(bound === Infinity ? 3 * Math.sqrt(variance) : 0.97 * bound);
    expect(make([3, 3, 20, 60], stream())).toEqual(values);
  },
);

test('vectors: fan in and fan out are both the length, as in Keras', () => {
  const values = glorotUniform([2000], stream());
  const furthest = values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  expect(furthest / Math.sqrt(6 / 4000)).toBeGreaterThan(0.99);
  expect(furthest / Math.sqrt(6 / 4000)).toBeLessThanOrEqual(1);
});

test.each([
  [[6, 6], 1],
  [[9, 4], 2],
  [[4, 9], 0.5],
  [[3, 2, 5, 7], 1],
  [[1, 1, 5, 7], 1],
  [[1, 1], 3],
] as [number[], number][])('orthogonal %j with gain %f', (shape, gain) => {
  const values = initializers.orthogonal({ gain })(shape, stream());
  const columns = shape.at(-1)!;
  const rows = values.length / columns;
  const elementAt = (i: number, j: number) => values[i * columns + j]!;
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const entry = (k: number, i: number) => (rows >= columns ? elementAt(i, k) : elementAt(k, i));
  for (let a = 0; a < count; a++) {
    for (let b = 0; b <= a; b++) {
      let product = 0;
      for (let i = 0; i < length; i++) product += entry(a, i) * entry(b, i);
      expect(product).toBeCloseTo(a === b ? gain ** 2 : 0, 5);
    }
  }
});

test('orthogonal: the first element has both signs over many random streams', () => {
  const signs = Array.from({ length: 400 }, (_, i) =>
    Math.sign(initializers.orthogonal()([3, 3], new RandomStream(1, 'initializer', i))[0]!),
  );
  // For 400 coin tosses, four standard deviations are 80.
  expect(Math.abs(signs.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(80);
});

test('constant, ones: return one value for all elements', () => {
  expect([...initializers.constant(0.5)([3], stream())]).toEqual([0.5, 0.5, 0.5]);
  expect([...initializers.ones([2], stream())]).toEqual([1, 1]);
});

test.each([
  [
    () => new Dense({ units: 1, kernelInitializer: 'glorot' as InitializerName }),
    ArgumentError,
    'Dense: kernelInitializer',
  ],
  [
    () => new Dense({ units: 1, biasInitializer: 'toString' as InitializerName }),
    ArgumentError,
    'Dense: biasInitializer',
  ],
  [
    () => new Conv2D({ filters: 1, kernelSize: 1, kernelInitializer: 3 as unknown as Initializer }),
    ArgumentError,
    'Conv2D',
  ],
  [() => initializers.constant(Number.NaN), ArgumentError, 'constant'],
  [() => initializers.randomNormal({ stddev: Infinity }), ArgumentError, 'stddev'],
  [() => initializers.randomUniform({ min: 1, max: -1 }), ArgumentError, 'min is 1 and max -1'],
  [() => initializers.orthogonal()([5], stream()), ShapeError, 'orthogonal'],
  [() => initializers.zeros([2 ** 16, 2 ** 16], stream()), ArgumentError, 'zeros: a weight has at most 2^30 elements'],
  [() => initializers.heNormal([2 ** 31], stream()), ArgumentError, 'heNormal: a weight has at most 2^30 elements'],
] as const)('throws for %s', (create, error, says) => {
  expect(create).toThrow(error);
  expect(create).toThrow(says);
});

describeOnDevice('initial weights', (device) => {
  const weightsOf = async (layers: Layer[], seed: number) => {
    using model = new Sequential(layers).build(device, { seed });
    return Promise.all(model.weights.map(async ({ tensor }) => [...(await tensor.data())]));
  };
  const front = () => [new Conv2D({ filters: 3, kernelSize: 2, inputShape: [4, 4, 2] }), new Flatten()];

  test('do not depend on later layers, differ by seed and layer, and are reproducible', async () => {
    const short = await weightsOf([...front(), new Dense({ units: 5 })], 1);
    const long = await weightsOf([...front(), new Dense({ units: 5 }), new Dense({ units: 7 })], 1);
    expect(long.slice(0, 4)).toEqual(short);
    const other = await weightsOf([...front(), new Dense({ units: 5 })], 2);
    expect(other[0]).not.toEqual(short[0]);
    expect(other[2]).not.toEqual(short[2]);
    const [first, , second] = await weightsOf([new Dense({ units: 4, inputShape: [4] }), new Dense({ units: 4 })], 1);
    expect(second).not.toEqual(first);
  });

  test("are those of a layer's initializer, given by name or as a function", async () => {
    const layers = [
      new Conv2D({
        filters: 2,
        kernelSize: 1,
        kernelInitializer: 'ones',
        biasInitializer: initializers.constant(3),
        inputShape: [1, 1, 2],
      }),
      new Flatten(),
      new Dense({
        units: 2,
        kernelInitializer: (shape) => Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i),
      }),
    ];
    expect(await weightsOf(layers, 0)).toEqual([
      [1, 1, 1, 1],
      [3, 3],
      [0, 1, 2, 3],
      [0, 0],
    ]);
  });

  test('throw if they have the wrong length', () => {
    const layer = new Dense({ units: 2, inputShape: [2], kernelInitializer: () => new Float32Array(3) });
    expect(() => new Sequential([layer]).build(device)).toThrow(/dense\/kernel.*3 values.*\[2,2\]/);
  });
});
