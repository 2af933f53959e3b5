import { expect, test } from 'vitest';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import {
  Adam,
  ArgumentError,
  AveragePooling2D,
  BatchNormalization,
  type CallContext,
  Conv2D,
  Dense,
  DepthwiseConv2D,
  type Device,
  Dropout,
  Flatten,
  GlobalAveragePooling2D,
  ImageLoader,
  type Layer,
  MaxPooling2D,
  Sequential,
  ShapeError,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { isKept } from '../reference/dropout.ts';
import { references } from '../reference/index.ts';
import { type NdArray, ndarray, sizeOf } from '../reference/ndarray.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { drawLike } from '../support/operator-cases.ts';

const inputShape = [7, 6, 3];

/** A model of one layer with random weights, called on a random batch of two. */
async function callLayer(device: Device, layer: Layer, options: { training?: boolean } = {}) {
  const model = new Sequential([layer]).build(device);
  const host = model.weights.map(({ name, tensor: { array, shape } }, i) => {
    const drawn = drawLike(shape, 10 + i);
    const values = {
      ...drawn,
      data: name.includes('variance') ? drawn.data.map((v) => Math.fround(v * v)) : drawn.data,
    };
    device.upload(array.storage, Float32Array.from(values.data));
    return values;
  });
  const x = drawLike([2, ...model.inputShape], 3);
  const input = tensor(device, x.data, x.shape);
  const y = model.call(input, options);
  const result = { x, weights: host, shape: y.shape, data: await y.data() };
  const after = await Promise.all(model.weights.map((weight) => weight.tensor.data()));
  for (const owned of [input, y, model]) owned.dispose();
  return { ...result, after, planned: model.outputShape };
}

const attrsOf = { strides: [2, 1], padding: 'same' } as const;
type Expected = (x: NdArray, weights: NdArray[]) => NdArray;
const layers: [string, () => Layer, Expected][] = [
  [
    'AveragePooling2D',
    () => new AveragePooling2D({ inputShape, poolSize: 3, ...attrsOf }),
    (x) => references.avgPool2d.forward([x], { poolSize: 3, ...attrsOf }),
  ],
  [
    'MaxPooling2D, stride 1',
    () => new MaxPooling2D({ inputShape, poolSize: 5, strides: 1 }),
    (x) => references.maxPool2d.forward([x], { poolSize: 5, strides: 1 }),
  ],
  [
    'GlobalAveragePooling2D',
    () => new GlobalAveragePooling2D({ inputShape }),
    (x) => references.globalAveragePool2d.forward([x], {}),
  ],
  [
    'DepthwiseConv2D',
    () => new DepthwiseConv2D({ inputShape, kernelSize: 3, depthMultiplier: 2, ...attrsOf }),
    (x, weights) => references.depthwiseConv2d.forward([x, ...weights], attrsOf),
  ],
  [
    'DepthwiseConv2D without bias, dilated, with ReLU',
    () => new DepthwiseConv2D({ inputShape, kernelSize: 2, dilationRate: 2, useBias: false, activation: 'relu' }),
    (x, weights) => references.relu.forward([references.depthwiseConv2d.forward([x, ...weights], { dilation: 2 })], {}),
  ],
  [
    'Conv2D without bias, dilated',
    () => new Conv2D({ inputShape, filters: 4, kernelSize: 3, dilationRate: [1, 2], useBias: false }),
    (x, weights) => references.conv2d.forward([x, ...weights], { dilation: [1, 2] }),
  ],
  [
    'Dense without bias',
    () => new Dense({ inputShape: [5], units: 4, useBias: false }),
    (x, weights) => references.linear.forward([x, ...weights], {}),
  ],
  [
    'BatchNormalization in inference',
    () => new BatchNormalization({ inputShape }),
    (x, weights) => references.batchNormInference.forward([x, ...weights], { epsilon: 1e-3 }),
  ],
];

describeOnDevice('layers of image networks', (device) => {
  test.each(layers)('%s', async (_what, make, expected) => {
    const { x, weights, shape, data, planned } = await callLayer(device, make());
    const y = expected(x, weights);
    expect(shape).toEqual(y.shape);
    expect([2, ...planned]).toEqual(y.shape);
    expectClose(data, y.data, { magnitude: Array(sizeOf(shape)).fill(10), rtol: 1e-6 });
  });

  test("BatchNormalization: uses the batch's statistics in training, and updates the moving ones", async () => {
    const layer = new BatchNormalization({ inputShape, momentum: 0.75, epsilon: 0.01 });
    const { x, weights, data, after } = await callLayer(device, layer, { training: true });
    const expected = references.batchNorm.forward([x, weights[0]!, weights[1]!], { epsilon: 0.01 });
    expectClose(data, expected.data, { magnitude: Array(sizeOf(x.shape)).fill(10), rtol: 1e-6 });
    const column = (c: number) => [...x.data].filter((_, i) => i % 3 === c);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const means = [0, 1, 2].map((c) => mean(column(c)));
    const variances = means.map((m, c) => mean(column(c).map((value) => (value - m) ** 2)));
    expectClose(
      after[2]!,
      means.map((m, c) => 0.75 * weights[2]!.data[c]! + 0.25 * m),
    );
    expectClose(
      after[3]!,
      variances.map((v, c) => 0.75 * weights[3]!.data[c]! + 0.25 * v),
    );
  });

  test('BatchNormalization: uses its moving statistics in training if frozen, and does not change them', async () => {
    const layer = new BatchNormalization({ inputShape, trainable: false });
    const { x, weights, data, after } = await callLayer(device, layer, { training: true });
    const expected = references.batchNormInference.forward([x, ...weights], { epsilon: 1e-3 });
    expectClose(data, expected.data, { magnitude: Array(sizeOf(x.shape)).fill(10), rtol: 1e-6 });
    for (const [i, weight] of weights.entries()) expectSameBits(after[i]!, weight.data);
  });

  test('Dropout: draws in training by seed, layer index and step; returns its input otherwise', async () => {
    const model = new Sequential([new Dropout(0.5, { inputShape: [100] }), new Dropout(0.25)]).build(device);
    const x = tensor(device, Array(200).fill(1), [2, 100]);
    const run = async (options: object) => {
      const y = model.call(x, options);
      const data = Array.from(await y.data());
      if (y !== x) y.dispose();
      return data;
    };
    expect(await run({})).toEqual(Array(200).fill(1));
    const draw = { seed: 5, step: 3 };
    const keptTwice = (i: number) =>
      isKept(i, { ...draw, rate: 0.5, layer: 0 }) && isKept(i, { ...draw, rate: 0.25, layer: 1 });
    const expected = Array.from({ length: 200 }, (_, i) => (keptTwice(i) ? 2 / 0.75 : 0));
    expectClose(await run({ training: true, ...draw }), expected);
    expect(await run({ training: true, ...draw, step: 4 })).not.toEqual(await run({ training: true, ...draw }));
    for (const owned of [x, model]) owned.dispose();
  });

  test('fit: passes its seed, the layer index and the uniform of the step number to random layers', async () => {
    const seen: CallContext['random'][] = [];
    class Probe extends Flatten {
      override call(x: Tensor, context?: CallContext): Tensor {
        if (context?.training) seen.push(context.random);
        return super.call(x);
      }
    }
    const model = new Sequential([
      new Dropout(0.5, { inputShape: [4, 4, 1] }),
      new Probe(),
      new Dense({ units: 3, activation: 'softmax' }),
    ]);
    model.build(device).compile({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy' });
    const data = new ImageLoader(device, drawImages(8, { classes: 3, shape: [4, 4, 1] }));
    await model.fit(data, { epochs: 2, batchSize: 4, seed: 77 });
    expect(seen).toEqual([{ seed: 77, layer: 1, step: expect.any(StepState) }]); // recorded once, run four times
    data.dispose();
    model.dispose();
  });

  test('a network of these layers learns reproducibly; its moving statistics change at each step', async () => {
    const results: number[][] = [];
    for (let round = 0; round < 2; round++) {
      const model = new Sequential([
        new Conv2D({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, padding: 'same', useBias: false }),
        new BatchNormalization(),
        new DepthwiseConv2D({ kernelSize: 3, padding: 'same', activation: 'relu', useBias: false }),
        new AveragePooling2D(),
        new Dropout(0.1),
        new BatchNormalization({ momentum: 0.5 }),
        new GlobalAveragePooling2D(),
        new Dense({ units: 3, activation: 'softmax' }),
      ]);
      model.build(device, { seed: 1 }).compile({
        optimizer: new Adam({ learningRate: 0.03 }),
        loss: 'sparseCategoricalCrossentropy',
      });
      const data = new ImageLoader(device, drawImages(60, { classes: 3, shape: [8, 8, 1] }));
      const moving = () => statistic(model.weights.map(({ name, tensor: t }) => [name, t]));
      const created: number[] = [];
      const onEpochEnd = () => {
        const { pipelinesCreated, bindGroupsCreated, buffersCreated } = device.counters;
        created.push(pipelinesCreated + bindGroupsCreated + buffersCreated);
      };
      const { epochs } = await model.fit(data, { epochs: 6, batchSize: 20, seed: 2, callbacks: [{ onEpochEnd }] });
      expect(new Set(created.slice(1))).toEqual(new Set([created[0]])); // steady state: a step creates no GPU object
      const first = await moving();
      await model.fit(data, { epochs: 1, batchSize: 20, seed: 3 });
      const second = await moving();
      expect(first.every((value, i) => value !== second[i])).toBe(true);
      expect(epochs.at(-1)!.loss).toBeLessThan(0.7 * epochs[0]!.loss);
      results.push([...epochs.map((epoch) => epoch.loss), ...second]);
      data.dispose();
      model.dispose();
    }
    expectSameBits(results[1]!, results[0]!);
  });

  async function statistic(weights: [string, Tensor][]): Promise<number[]> {
    const moving = weights.filter(([name]) => name.includes('moving_'));
    expect(moving.length).toBe(4);
    return (await Promise.all(moving.map(([, t]) => t.data()))).flatMap((values) => Array.from(values));
  }
});

test("countParams: equals Keras's count", () => {
  const model = new Sequential([
    new Conv2D({ inputShape: [32, 32, 3], filters: 32, kernelSize: 3, strides: 2, padding: 'same', useBias: false }),
    new BatchNormalization(),
    new DepthwiseConv2D({ kernelSize: 3, padding: 'same', useBias: false }),
    new GlobalAveragePooling2D(),
    new Dense({ units: 10 }),
  ]);
  expect(model.layers.map(({ name }) => name)).toEqual([
    'conv2d',
    'batch_normalization',
    'depthwise_conv2d',
    'global_average_pooling2d',
    'dense',
  ]);
  const total = 864 + 4 * 32 + 288 + 330;
  expect(model.countParams()).toBe(total);
  expect(model.summary()).toContain(`Total params: ${total.toLocaleString('en-US')}`);
  expect(model.summary()).toContain('Non-trainable params: 64 (256.00 B)');
  expect(ndarray(model.outputShape).shape).toEqual([10]);
});

test.each<[string, () => unknown, typeof ArgumentError | typeof ShapeError, string]>([
  ['a pool of 0', () => new AveragePooling2D({ poolSize: 0 }), ArgumentError, 'AveragePooling2D: poolSize'],
  ['rows', () => new Sequential([new GlobalAveragePooling2D({ inputShape: [4] })]), ShapeError, '[4]'],
  ['rows', () => new Sequential([new DepthwiseConv2D({ kernelSize: 3, inputShape: [4] })]), ShapeError, '[4]'],
  [
    'depthMultiplier',
    () => new DepthwiseConv2D({ kernelSize: 3, depthMultiplier: 0 }),
    ArgumentError,
    'depthMultiplier',
  ],
  ['dilationRate', () => new Conv2D({ filters: 1, kernelSize: 3, dilationRate: 0 }), ArgumentError, 'dilationRate'],
  ['useBias', () => new Dense({ units: 1, useBias: 'no' as unknown as boolean }), ArgumentError, 'useBias'],
  ['momentum', () => new BatchNormalization({ momentum: 2 }), ArgumentError, 'momentum'],
  ['a rate of 1', () => new Dropout(1), ArgumentError, 'Dropout: rate'],
  ['no rate', () => new Dropout(undefined as unknown as number), ArgumentError, 'undefined'],
  ['epsilon', () => new BatchNormalization({ epsilon: -1 }), ArgumentError, 'epsilon'],
  [
    'Flatten, then images',
    () => new Sequential([new Flatten({ inputShape }), new AveragePooling2D()]),
    ShapeError,
    '[126]',
  ],
])('throws for %s', (_what, call, error, says) => {
  expect(call).toThrow(error);
  expect(call).toThrow(says);
});
