import { expect, test } from 'vitest';
import { Adam, Conv2D, Dense, Flatten, ImageLoader, loadDataset, MaxPooling2D, Sequential } from '../../src/node.ts';
import { emptyCache } from '../data/helpers.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

const build = () =>
  new Sequential([
    new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [28, 28, 1] }),
    new MaxPooling2D(),
    new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 60, activation: 'relu' }),
    new Dense({ units: 10, activation: 'softmax' }),
  ]).compile({ optimizer: new Adam({ learningRate: 0.004 }), loss: 'sparseCategoricalCrossentropy' });

describeOnDevice('MNIST', (device) => {
  test('a small LeNet reaches 90% on test images after training on the bundled sample', async () => {
    emptyCache();
    const { train, test: unseen, source } = await loadDataset('mnist');
    expect(source.kind).toBe('sample');
    using training = new ImageLoader(device, train);
    using testing = new ImageLoader(device, unseen);
    using model = build().build(device, { seed: 1 });
    const { epochs } = await model.fit(training, { epochs: 2, batchSize: 32, seed: 1, validationData: testing });
    const { accuracy, loss } = await model.evaluate(testing, { batchSize: 100 });
    expect(accuracy).toBeGreaterThan(0.9);
    expect(epochs.at(-1)!.valAccuracy).toBe(accuracy);

    // The probabilities agree with the loss and accuracy computed on the adapter.
    const probabilities = await model.predict(testing, { batchSize: 64 });
    let hits = 0;
    let total = 0;
    unseen.labels.forEach((label, i) => {
      const row = [...probabilities.subarray(10 * i, 10 * i + 10)];
      if (row.indexOf(Math.max(...row)) === label) hits++;
      total -= Math.log(row[label]!);
    });
    expect(hits / unseen.size).toBe(accuracy);
    expect(total / unseen.size).toBeCloseTo(loss, 4);
  });

  test('the same seed gives the same weights, bit for bit', async () => {
    emptyCache();
    const { train } = await loadDataset('mnist', { limit: 160 });
    const weights = async (seed: number) => {
      using loader = new ImageLoader(device, train);
      using model = build().build(device, { seed });
      await model.fit(loader, { batchSize: 48, seed });
      return Promise.all(model.weights.map(({ tensor }) => tensor.data()));
    };
    const [first, again, other] = [await weights(5), await weights(5), await weights(6)];
    first.forEach((values, i) => {
      expectSameBits(again[i]!, values, `weight ${i}`);
      expect(other[i]).not.toEqual(values);
    });
  });
});
