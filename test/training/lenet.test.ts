import { expect, test } from 'vitest';
import { lenet } from '../../experiments/lenet.ts';
import { Adam, type Device, ImageLoader, type Sequential, softmaxCrossEntropy, tensor } from '../../src/node.ts';
import { gatherImages, gatherLabels } from '../reference/gather.ts';
import { lenetGradients, lenetShapes, lenetStep } from '../reference/lenet.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { adamState } from '../reference/optimizers.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const SAMPLE = [32, 32, 3] as const;
const learningRate = 0.002;

function buildLenet(device: Device, seed = 3): Sequential {
  const model = lenet().createModel() as Sequential;
  model.build(device, { seed });
  return model.compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}

const readWeights = (model: Sequential): Promise<NdArray[]> =>
  Promise.all(model.weights.map(async ({ tensor }) => ndarray(tensor.shape, await tensor.data())));

describeOnDevice('LeNet-5 trained on the adapter and on the float64 reference', (device) => {
  const images = drawImages(20);
  const batchOf = (from: number, to: number): [NdArray, NdArray] => {
    const order = Array.from({ length: to - from }, (_, i) => from + i);
    return [gatherImages(images.images, SAMPLE, order), gatherLabels(images.labels, order)];
  };

  test.each([
    // One batch an epoch: every loss is that of a single step.
    { batchSize: 20, epochs: 6 },
    // Batches of 8, 8 and 4: an epoch's loss is the mean over its samples, each before its own step.
    { batchSize: 8, epochs: 3 },
  ])('losses agree: %j', async ({ batchSize, epochs }) => {
    using loader = new ImageLoader(device, images);
    using model = buildLenet(device);
    const weights = await readWeights(model);
    expect(weights.map(({ shape }) => shape)).toEqual(lenetShapes);

    const history = await model.fit(loader, { epochs, batchSize, shuffle: false });

    const state = adamState(weights);
    const expected: number[] = [];
    for (let epoch = 0; epoch < epochs; epoch++) {
      let total = 0;
      for (let from = 0; from < images.size; from += batchSize) {
        const to = Math.min(from + batchSize, images.size);
        total += (to - from) * lenetStep(...batchOf(from, to), weights, state, { learningRate });
      }
      expected.push(total / images.size);
    }
    const losses = history.epochs.map(({ loss }) => loss);
    expectClose(losses, expected, { rtol: 1e-4 }, 'loss');
    expect(losses.at(-1)).toBeLessThan(losses[0]!);

    // Adam divides by the size of the gradient, so a weight whose gradient is only rounding error may be off by a whole
    // step; hence the distance of the weights as a whole.
    const trained = await readWeights(model);
    trained.forEach((weight, k) => {
      const moved = map(weight, (w, i) => w - weights[k]!.data[i]!);
      expect(norm(moved) / norm(weights[k]!), `weight ${k}`).toBeLessThan(1e-3);
    });
  });

  test('gradients and predictions of one batch agree', async () => {
    using loader = new ImageLoader(device, images);
    using model = buildLenet(device);
    const weights = await readWeights(model);
    const [x, labels] = batchOf(0, images.size);
    const { grads, logits } = lenetGradients(x, labels, weights);

    const y = tensor(device, labels.data, labels.shape, { dtype: 'u32' });
    const input = tensor(device, x.data, x.shape);
    const onDevice = model.callLogits(input);
    softmaxCrossEntropy(onDevice, y).backward();
    expectClose(await onDevice.data(), logits.data, { rtol: 1e-5, magnitude: map(logits, () => 1).data }, 'logits');
    for (const [k, { tensor: weight, name }] of model.weights.entries()) {
      const scale = grads[k]!.data.reduce((largest, g) => Math.max(largest, Math.abs(g)), 0);
      expectClose(
        await weight.grad!.data(),
        grads[k]!.data,
        { rtol: 1e-5, magnitude: map(grads[k]!, () => scale).data },
        name,
      );
    }

    const probabilities = await model.predict(loader, { batchSize: 8 });
    expect(probabilities.length).toBe(10 * images.size);
    for (let i = 0; i < images.size; i++) {
      const row = [...logits.data.slice(10 * i, 10 * i + 10)];
      const largest = Math.max(...row);
      const sum = row.reduce((total, z) => total + Math.exp(z - largest), 0);
      expectClose(
        probabilities.slice(10 * i, 10 * i + 10),
        row.map((z) => Math.exp(z - largest) / sum),
        { rtol: 1e-5 },
      );
    }
  });

  test('the same seed gives the same bits; another seed does not', async () => {
    const train = async (seed: number) => {
      using loader = new ImageLoader(device, images);
      using model = buildLenet(device, seed);
      const { epochs } = await model.fit(loader, { epochs: 3, batchSize: 8, seed });
      const weights = await readWeights(model);
      return { losses: epochs.map(({ loss }) => loss), weights: weights.flatMap(({ data }) => [...data]) };
    };
    const [first, again, other] = [await train(1), await train(1), await train(2)];
    expectSameBits(again.losses, first.losses, 'losses');
    expectSameBits(again.weights, first.weights, 'weights');
    expect(other.losses).not.toEqual(first.losses);
  });
});

function norm({ data }: NdArray): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0));
}
