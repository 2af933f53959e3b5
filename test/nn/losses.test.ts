import { expect, test } from 'vitest';
import { lossInputFor } from '../../src/nn/losses.ts';
import {
  Adam,
  ArgumentError,
  BinaryCrossentropy,
  CategoricalCrossentropy,
  CustomLoss,
  Dense,
  Flatten,
  Huber,
  ImageLoader,
  type Layer,
  type Loss,
  type LossName,
  MeanAbsoluteError,
  MeanSquaredError,
  mean,
  Sequential,
  SparseCategoricalCrossentropy,
  scope,
  square,
  sub,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

/** Three classes of 2 x 2 images, which differ by the bright pixel. */
const size = 48;
const labels = Uint8Array.from({ length: size }, (_, i) => i % 3);
const images = Uint8Array.from({ length: size * 4 }, (_, i) =>
  i % 4 === labels[Math.floor(i / 4)] ? 200 : (i * 37) % 60,
);

describeOnDevice('fit with other losses than softmax cross-entropy', (device) => {
  const set = { images, labels, size, shape: [2, 2, 1] as [number, number, number], classes: ['a', 'b', 'c'] };

  async function learn(loss: LossName | Loss | ((y: Tensor, t: Tensor) => Tensor), last: Layer) {
    const data = new ImageLoader(device, set);
    const model = new Sequential([new Flatten({ inputShape: [2, 2, 1] }), last]).build(device, { seed: 3 });
    model.compile({ optimizer: new Adam({ learningRate: 0.05 }), loss });
    const { epochs } = await model.fit(data, { epochs: 30, batchSize: 16, seed: 1 });
    const measured = await model.evaluate(data, { batchSize: 16 });
    model.dispose();
    data.dispose();
    return { first: epochs[0]!.loss, ...measured };
  }
  const softmax = () => new Dense({ units: 3, activation: 'softmax' });
  const squares = (y: Tensor, t: Tensor) => mean(square(sub(t, y)));

  test.each<[string, Parameters<typeof learn>[0], () => Layer]>([
    ['meanSquaredError on one-hot targets', 'meanSquaredError', () => new Dense({ units: 3 })],
    ['meanAbsoluteError', 'meanAbsoluteError', () => new Dense({ units: 3 })],
    ['huber', 'huber', () => new Dense({ units: 3 })],
    ['categoricalCrossentropy from a softmax', 'categoricalCrossentropy', softmax],
    ['binaryCrossentropy from a softmax', 'binaryCrossentropy', softmax],
    ["a user's function", squares, () => new Dense({ units: 3 })],
    ['Huber with a delta', new Huber({ delta: 0.5 }), () => new Dense({ units: 3 })],
    ['BinaryCrossentropy from logits', new BinaryCrossentropy({ fromLogits: true }), () => new Dense({ units: 3 })],
    [
      'CategoricalCrossentropy from logits',
      new CategoricalCrossentropy({ fromLogits: true }),
      () => new Dense({ units: 3 }),
    ],
    ['CategoricalCrossentropy, smoothed', new CategoricalCrossentropy({ labelSmoothing: 0.1 }), softmax],
  ])('%s', async (_name, loss, last) => {
    const { first, loss: after, accuracy } = await learn(loss, last());
    expect(after).toBeLessThan(0.7 * first);
    expect(accuracy).toBeGreaterThan(0.9);
  });

  // As Keras does for the model of experiment A4, which has no softmax: clip, logarithm, normalize as logits.
  test('throws if a model without a softmax returns no probabilities', async () => {
    const data = new ImageLoader(device, set);
    const layers = [new Flatten({ inputShape: [2, 2, 1] }), new Dense({ units: 3 })];
    const model = new Sequential(layers).build(device, { seed: 3 });
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const output = await model.predict(data, { batchSize: 16 });
    const { loss } = await model.evaluate(data, { batchSize: 16 });
    let expected = 0;
    for (let i = 0; i < size; i++) {
      const row = Array.from(output.subarray(3 * i, 3 * i + 3));
      const logs = row.map((p) => Math.log(Math.min(1 - 1e-7, Math.max(1e-7, p))));
      const total = Math.log(logs.reduce((sum, l) => sum + Math.exp(l), 0));
      expected += (total - logs[labels[i]!]!) / size;
    }
    expect(loss).toBeCloseTo(expected, 4);
    model.dispose();
    data.dispose();
  });

  test('a loss has the same bits as a function and by its name', async () => {
    const byName = await learn('meanSquaredError', new Dense({ units: 3 }));
    const byFunction = await learn(squares, new Dense({ units: 3 }));
    expect(byFunction.accuracy).toBe(byName.accuracy);
    expect(byFunction.loss).toBeCloseTo(byName.loss, 5);
  });

  test.each<[LossName, () => Loss, () => Parameters<typeof learn>[1]]>([
    ['meanSquaredError', () => new MeanSquaredError(), () => new Dense({ units: 3 })],
    ['meanAbsoluteError', () => new MeanAbsoluteError(), () => new Dense({ units: 3 })],
    ['huber', () => new Huber(), () => new Dense({ units: 3 })],
    ['binaryCrossentropy', () => new BinaryCrossentropy(), () => new Dense({ units: 3, activation: 'sigmoid' })],
    ['categoricalCrossentropy', () => new CategoricalCrossentropy(), () => softmax()],
  ])('%s by name and as an object with defaults have the same bits', async (name, make, last) => {
    expect(make().name).toBe(name);
    expect(await learn(make(), last())).toEqual(await learn(name, last()));
  });

  test('inputFor: logits after a softmax for losses over classes, after a sigmoid for the loss of each output', () => {
    for (const Loss of [SparseCategoricalCrossentropy, CategoricalCrossentropy]) {
      expect(new Loss().inputFor({ finalActivation: 'softmax' })).toBe('logits');
      expect(new Loss().inputFor({ finalActivation: null })).toBe('output');
      expect(new Loss({ fromLogits: true }).inputFor({ finalActivation: null })).toBe('logits');
    }
    expect(new BinaryCrossentropy().inputFor({ finalActivation: 'sigmoid' })).toBe('logits');
    for (const loss of [new CustomLoss(squares), new BinaryCrossentropy(), new MeanSquaredError()]) {
      expect(loss.inputFor({ finalActivation: 'softmax' })).toBe('output');
    }
    for (const Loss of [SparseCategoricalCrossentropy, CategoricalCrossentropy]) {
      expect(new Loss().inputFor({ finalActivation: 'sigmoid' })).toBe('output');
    }
  });

  // From PyTorch in float64: cross_entropy with label_smoothing, binary_cross_entropy_with_logits (with targets smoothed by hand, because
  // it has no such option), mse_loss, l1_loss, huber_loss.
  test.each<[string, Loss, number, number[]]>([
    [
      'CategoricalCrossentropy',
      new CategoricalCrossentropy({ fromLogits: true, labelSmoothing: 0.1 }),
      1.0941472962546284,
      [
        -0.378256575612944, -0.00130329650344845, 0.379559872116393, 0.021194860758975, 0.0862516353321591,
        -0.107446496091134,
      ],
    ],
    [
      'BinaryCrossentropy',
      new BinaryCrossentropy({ fromLogits: true }),
      0.7111929634241582,
      [
        -0.0629234447996909, 0.0371166898042178, 0.146799512996314, 0.0534702168041011, 0.0936960834809665,
        -0.030404253967726,
      ],
    ],
    [
      'BinaryCrossentropy, smoothed',
      new BinaryCrossentropy({ fromLogits: true, labelSmoothing: 0.2 }),
      0.7403596300908247,
      [
        -0.0462567781330242, 0.0204500231375515, 0.130132846329647, 0.0368035501374345, 0.0770294168142997,
        -0.013737587301059,
      ],
    ],
    ['MeanSquaredError', new MeanSquaredError(), 1.11458333333333, [-1 / 6, -5 / 12, 2 / 3, -1 / 4, 1 / 12, 1 / 6]],
    ['MeanAbsoluteError', new MeanAbsoluteError(), 0.875, [-1, -1, 1, -1, 1, 1].map((sign) => sign / 6)],
    ['Huber', new Huber({ delta: 0.5 }), 0.317708333333333, [-1, -1, 1, -1, 0.5, 1].map((slope) => slope / 12)],
  ])("%s equals PyTorch's", async (_name, loss, value, slopes) => {
    const y = tensor(device, [0.5, -1.25, 2, -0.75, 0.25, 1.5], [2, 3], { requiresGrad: true });
    const target = tensor(device, [1, 0, 0, 0, 0, 1], [2, 3]);
    const results = scope(device, () => {
      const result = loss.call(y, target, { input: lossInputFor(loss, null), weight: null });
      result.loss.backward();
      return { ...result, gradient: y.grad! };
    });
    expectClose(await results.loss.data(), [value], { rtol: 2e-6 });
    expectClose(await results.gradient.data(), slopes, { rtol: 2e-6, magnitude: slopes.map(() => 0.5) });
    for (const t of [y, target, results.loss, results.gradient]) t.dispose();
  });

  test.each<[string, () => unknown, string]>([
    ['delta', () => new Huber({ delta: 0 }), 'huber: delta'],
    ['options', () => new Huber(null as unknown as object), 'huber: options'],
    ['smoothing', () => new CategoricalCrossentropy({ labelSmoothing: -0.1 }), 'labelSmoothing'],
    [
      'smoothing that is not a number',
      () => new BinaryCrossentropy({ labelSmoothing: '0' as unknown as number }),
      '"0"',
    ],
    ['fromLogits', () => new SparseCategoricalCrossentropy({ fromLogits: 'yes' as unknown as boolean }), 'fromLogits'],
    [
      'probabilities as logits',
      () => new BinaryCrossentropy({ fromLogits: true }).inputFor({ finalActivation: 'softmax' }),
      'fromLogits: true, but',
    ],
    [
      'a softmax as logits',
      () => new CategoricalCrossentropy({ fromLogits: true }).inputFor({ finalActivation: 'softmax' }),
      'fromLogits: true, but',
    ],
  ])('throws for %s', (_what, call, says) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(says);
  });

  test('CustomLoss: throws if the function does not return a scalar', async () => {
    await expect(learn((y) => y, new Dense({ units: 3 }))).rejects.toThrow(/one element.*16,3/);
  });
});
