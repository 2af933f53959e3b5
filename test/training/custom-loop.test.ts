import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

const SAMPLES = 24;
const BATCH = 8;

/** Samples in rows of `size` numbers, with labels of 3 classes. */
function drawSamples(size: number) {
  const { normal, integer } = random(7);
  return {
    x: Float32Array.from({ length: SAMPLES * size }, () => normal()),
    y: Uint32Array.from({ length: SAMPLES }, () => integer(0, 2)),
  };
}

const mlp = () =>
  new tg.Sequential([
    new tg.Dense({ units: 16, activation: 'relu', inputShape: [10], kernelRegularizer: tg.regularizers.l2(0.01) }),
    new tg.Dense({ units: 3, activation: 'softmax', kernelRegularizer: tg.regularizers.l1(0.003) }),
  ]);
const convolutional = () =>
  new tg.Sequential([
    new tg.Conv2D({ filters: 4, kernelSize: 3, useBias: false, inputShape: [6, 6, 2] }),
    new tg.BatchNormalization(),
    new tg.ReLU(),
    new tg.MaxPooling2D(),
    new tg.Flatten(),
    new tg.Dropout(0.3),
    new tg.Dense({ units: 3, activation: 'softmax' }),
  ]);
const networks = {
  'an MLP with penalties': { build: mlp, shape: [10] },
  'a convolution, batch normalization and dropout': { build: convolutional, shape: [6, 6, 2] },
};
type NetworkName = keyof typeof networks;

const optimizers: Record<string, (options: object) => tg.Adam | tg.AdamW | tg.SGD | tg.RMSprop> = {
  Adam: (options) => new tg.Adam({ learningRate: 0.01, ...options }),
  'AdamW with a schedule': (options) =>
    new tg.AdamW({
      learningRate: tg.schedules.cosineDecay({ initialLearningRate: 0.02, decaySteps: 9 }),
      weightDecay: 0.1,
      ...options,
    }),
  'SGD with momentum, clipped': (options) =>
    new tg.SGD({ learningRate: 0.05, momentum: 0.9, nesterov: true, globalClipNorm: 0.5, ...options }),
  'RMSprop, clipped by weight': (options) => new tg.RMSprop({ clipNorm: 0.1, ...options }),
};

describeOnDevice('a custom training loop', (device) => {
  const inUse = () => device.counters.bytesAllocated - device.freeBytes;
  const bytesOf = async (model: tg.Model) => (await model.getWeights()).map(({ data }) => new Uint32Array(data.buffer));

  /** The batches of an epoch as tensors. */
  function batchesOf(shape: readonly number[]) {
    const { x, y } = drawSamples(shape.reduce((a, b) => a * b, 1));
    const size = x.length / SAMPLES;
    return Array.from({ length: SAMPLES / BATCH }, (_, i) => ({
      x: tg.tensor(device, x.slice(i * BATCH * size, (i + 1) * BATCH * size), [BATCH, ...shape]),
      y: tg.tensor(device, y.slice(i * BATCH, (i + 1) * BATCH), [BATCH], { dtype: 'u32' }),
    }));
  }

  const lossOf = (model: tg.Model, x: Tensor, y: Tensor) =>
    tg.softmaxCrossEntropy(model.callLogits(x, { training: true }), y);

  async function fitModel(name: NetworkName, optimizer: tg.Optimizer, epochs: number) {
    const { build, shape } = networks[name];
    using model = build().build(device, { seed: 3 });
    model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
    const { x, y } = drawSamples(shape.reduce((a, b) => a * b, 1));
    await model.fit({ x: { shape: [SAMPLES, ...shape], data: x }, y }, { epochs, batchSize: BATCH, shuffle: false });
    return await bytesOf(model);
  }

  for (const name of Object.keys(networks) as NetworkName[]) {
    test.each(Object.keys(optimizers))(`${name}: weights are those of fit, bit for bit, by %s`, async (kind) => {
      const expected = await fitModel(name, optimizers[kind]!({}), 3);
      const { build, shape } = networks[name];
      const before = inUse();
      const model = build().build(device, { seed: 3 });
      const optimizer = optimizers[kind]!({ parameters: model.parameters });
      const batches = batchesOf(shape);
      for (let epoch = 0; epoch < 3; epoch++) {
        for (const { x, y } of batches) {
          const loss = lossOf(model, x, y);
          loss.backward();
          optimizer.step();
          optimizer.clearGrad();
        }
      }
      expect(await bytesOf(model)).toEqual(expected);
      expect(optimizer.iterations).toBe(9);

      // The same with a compiled step, from the same initial weights.
      const again = build().build(device, { seed: 3 });
      const compiledOptimizer = optimizers[kind]!({ parameters: again.parameters });
      using step = tg.compileStep(device, (x, y) => {
        const loss = lossOf(again, x, y);
        loss.backward();
        compiledOptimizer.step();
        compiledOptimizer.clearGrad();
        return loss;
      });
      for (let epoch = 0; epoch < 3; epoch++) for (const { x, y } of batches) step(x, y);
      expect(await bytesOf(again)).toEqual(expected);
      expect(compiledOptimizer.iterations).toBe(9);
      step.dispose();
      model.dispose();
      again.dispose();
      for (const { x, y } of batches) {
        x.dispose();
        y.dispose();
      }
      expect(inUse()).toBe(before);
    });
  }
});
