import { expect, test } from 'vitest';
import {
  Adam,
  CustomLoss,
  Dense,
  Flatten,
  ImageLoader,
  type Layer,
  type LossName,
  mean,
  Sequential,
  SparseCategoricalCrossentropy,
  square,
  sub,
  type Tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** Three classes of 2 x 2 images, told apart by which pixel is bright. */
const size = 48;
const labels = Uint8Array.from({ length: size }, (_, i) => i % 3);
const images = Uint8Array.from({ length: size * 4 }, (_, i) =>
  i % 4 === labels[Math.floor(i / 4)] ? 200 : (i * 37) % 60,
);

describeOnDevice('fit with other losses than softmax cross-entropy', (device) => {
  const set = { images, labels, size, shape: [2, 2, 1] as [number, number, number], classes: ['a', 'b', 'c'] };

  async function learn(loss: LossName | CustomLoss | ((y: Tensor, t: Tensor) => Tensor), last: Layer) {
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
  ])('%s', async (_name, loss, last) => {
    const { first, loss: after, accuracy } = await learn(loss, last());
    expect(after).toBeLessThan(0.7 * first);
    expect(accuracy).toBeGreaterThan(0.9);
  });

  // As Keras does for the model of experiment A4, which has no softmax: clip, logarithm, normalise as logits.
  test('a model without a softmax is taken to give probabilities', async () => {
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

  test('the function and the name of one loss give the same bits', async () => {
    const byName = await learn('meanSquaredError', new Dense({ units: 3 }));
    const byFunction = await learn(squares, new Dense({ units: 3 }));
    expect(byFunction.accuracy).toBe(byName.accuracy);
    expect(byFunction.loss).toBeCloseTo(byName.loss, 5);
  });

  test('the softmax is left out of the cross-entropy only', () => {
    const loss = new SparseCategoricalCrossentropy();
    expect(loss.wants({ endsInSoftmax: true })).toBe('logits');
    expect(loss.wants({ endsInSoftmax: false })).toBe('output');
    expect(new CustomLoss(squares).wants()).toBe('output');
  });

  test('a function that returns no scalar is refused', async () => {
    await expect(learn((y) => y, new Dense({ units: 3 }))).rejects.toThrow(/one element.*16,3/);
  });
});
