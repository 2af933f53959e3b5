import { expect, test } from 'vitest';
import {
  Activation,
  Adam,
  Add,
  ArgumentError,
  BatchNormalization,
  type Callback,
  Conv2D,
  Dense,
  type Device,
  Dropout,
  Flatten,
  GlobalAveragePooling2D,
  ImageLoader,
  input,
  type Layer,
  Model,
  mobileNetV2,
  ReLU,
  Sequential,
} from '../../src/node.ts';
import { recordTrainingStep } from '../../src/training/training-step.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const SIZE = 12;
const images = drawImages(SIZE, { classes: 3, shape: [6, 6, 1] });

/** A convolution and a batch norm, inside `depth` models. */
function extractor(depth: number): { whole: Layer; conv: Conv2D; norm: BatchNormalization } {
  const conv = new Conv2D({ filters: 2, kernelSize: 3, name: 'conv', inputShape: [6, 6, 1] });
  const norm = new BatchNormalization({ name: 'norm', momentum: 0.5 });
  let whole: Model = new Sequential([conv, norm]);
  for (let i = 1; i < depth; i++) {
    const x = input([6, 6, 1]);
    whole = new Model({ inputs: x, outputs: whole.apply(x), name: `around_${i}` });
  }
  return { whole, conv, norm };
}

const head = () => [new Flatten(), new Dense({ units: 3, activation: 'softmax', name: 'head' })];

/** Builds and compiles a model. */
function buildCompiled(device: Device, layers: Layer[], seed = 2): Sequential {
  const optimizer = new Adam({ learningRate: 0.05 });
  return new Sequential(layers).build(device, { seed }).compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
}

const weightsOf = async (model: Model) =>
  new Map(
    await Promise.all(model.weights.map(async ({ name, tensor }) => [name, [...(await tensor.data())]] as const)),
  );

/** Names of the weights that one epoch changes, without the names of the nested models. */
async function changedWeights(device: Device, model: Model, callbacks: Callback[] = []): Promise<string[]> {
  using loader = new ImageLoader(device, images);
  const before = await weightsOf(model);
  await model.fit(loader, { batchSize: SIZE, callbacks });
  const names = [...(await weightsOf(model))].filter(([name, values]) => `${values}` !== `${before.get(name)}`);
  return names.map(([name]) => name.split('/').slice(-2).join('/'));
}

const CONV = ['conv/kernel', 'conv/bias'];
const NORM = ['norm/gamma', 'norm/beta', 'norm/moving_mean', 'norm/moving_variance'];
const HEAD = ['head/kernel', 'head/bias'];

test('layers do not include an input layer: the last 118 of MobileNetV2 (120 with the head) begin at block_4_expand', () => {
  const { layers } = mobileNetV2({ includeTop: false, inputShape: [96, 96, 3], alpha: 0.35 });
  expect(layers).toHaveLength(153); // Keras counts 154, with its input layer
  expect(layers.slice(-118)[0]!.name).toBe('block_4_expand');
  const whole = mobileNetV2({ inputShape: [96, 96, 3], alpha: 0.35 });
  expect(whole.layers).toHaveLength(155);
  expect(whole.layers.slice(-120)[0]!.name).toBe('block_4_expand');
  // By name, independent of the number of layers before and after.
  expect(whole.layers.slice(whole.layers.indexOf(whole.getLayer('block_4_expand')))).toHaveLength(120);
});

test('Model.trainable: freezes all layers at every depth; a slice of the layers can be unfrozen', () => {
  const { whole, conv, norm } = extractor(3);
  const model = new Sequential([whole, ...head()]);
  whole.trainable = false;
  expect([conv.trainable, norm.trainable, whole.trainable, model.trainable]).toEqual([false, false, false, true]);
  norm.trainable = true;
  // Unlike in Keras, where the layers of a frozen model are frozen whatever their trainable is.
  expect([conv.trainable, whole.trainable]).toEqual([false, true]);
  const net = mobileNetV2({ includeTop: false, inputShape: [32, 32, 3], alpha: 0.35 });
  net.trainable = false;
  for (const layer of net.layers.slice(-118)) layer.trainable = true;
  const thawed = net.layers.filter(({ trainable }) => trainable);
  expect([thawed.length, thawed[0]!.name]).toEqual([118, 'block_4_expand']);
  net.trainable = true;
  net.layers.slice(0, 35).forEach((layer) => {
    layer.trainable = false;
  });
  expect(net.layers.filter(({ trainable }) => trainable)).toEqual(thawed);
});

test('trainable: throws for values other than true and false', () => {
  const dense = new Dense({ units: 1, name: 'out' });
  for (const value of ['false', 0, undefined, null]) {
    expect(() => {
      dense.trainable = value as unknown as boolean;
    }).toThrow(/^out: trainable must be true or false, but is/);
    expect(() => {
      new Sequential([new Dense({ units: 1, inputShape: [2] })]).trainable = value as unknown as boolean;
    }).toThrow(ArgumentError);
  }
  expect(dense.trainable).toBe(true);
});

describeOnDevice('frozen layers', (device) => {
  test.each([1, 2, 3])('weights and moving statistics of a frozen model do not change, at depth %s', async (depth) => {
    const { whole, conv, norm } = extractor(depth);
    using model = buildCompiled(device, [whole, ...head()]);
    expect(await changedWeights(device, model)).toEqual([...CONV, ...NORM, ...HEAD]);
    whole.trainable = false;
    expect(await changedWeights(device, model)).toEqual(HEAD);
    conv.trainable = true;
    expect(await changedWeights(device, model)).toEqual([...CONV, ...HEAD]);
    conv.trainable = false;
    norm.trainable = true;
    expect(await changedWeights(device, model)).toEqual([...NORM, ...HEAD]);
  });

  test('BatchNormalization: uses its moving statistics in training if frozen, also in the gradient', async () => {
    // y = gamma (x - mean) / sqrt(variance + epsilon) + beta, constant in the gradient of the layer below.
    const dense = (name: string) => new Dense({ units: 3, name, inputShape: [4] });
    const norm = new BatchNormalization({ name: 'norm', epsilon: 0.25 });
    const out = new Dense({ units: 1, name: 'out', trainable: false });
    using model = new Sequential([dense('below'), norm, out]).build(device, { seed: 4 });
    norm.trainable = false;
    const [mean, variance, gamma, beta] = [[0.5, -1, 2], [0.75, 3.75, 0], [2, 1, -1], [1, 0, 3]]; // biome-ignore format: as rows
    for (const [name, values] of Object.entries({ gamma, beta, moving_mean: mean, moving_variance: variance })) {
      const { tensor } = model.weights.find((weight) => weight.name === `norm/${name}`)!;
      device.upload(tensor.array.storage, Float32Array.from(values));
    }
    const before = await weightsOf(model);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' }); // learning rate 0.01
    const x = [[1, 2, 3, 4], [-1, 0, 1, 0]]; // biome-ignore format: as rows
    const y = [1, -2];
    const { epochs } = await model.fit({ x, y }, { batchSize: 2 });
    const [w, b] = [before.get('below/kernel')!, before.get('below/bias')!];
    const v = before.get('out/kernel')!;
    const scale = gamma!.map((g, j) => g / Math.sqrt(variance![j]! + 0.25));
    const below = x.map((row) => b.map((bias, j) => row.reduce((sum, one, i) => sum + one * w[3 * i + j]!, bias)));
    const outputs = below.map((row) =>
      row.reduce((sum, z, j) => sum + v[j]! * (scale[j]! * (z - mean![j]!) + beta![j]!), before.get('out/bias')![0]!),
    );
    const loss = outputs.reduce((sum, one, n) => sum + (one - y[n]!) ** 2 / 2, 0);
    expect(epochs[0]!.loss).toBeCloseTo(loss, 4);
    const after = await weightsOf(model);
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 3; j++) {
        // Two samples, mean of squares: d loss / d output = (output - y).
        const gradient = outputs.reduce((sum, one, n) => sum + (one - y[n]!) * v[j]! * scale[j]! * x[n]![i]!, 0);
        expect(after.get('below/kernel')![3 * i + j]).toBeCloseTo(w[3 * i + j]! - 0.01 * gradient, 5);
      }
    }
  });

  test('Dropout: drops in training also before a frozen part, as in Keras', async () => {
    const losses = await Promise.all(
      [1, 2].map(async (seed) => {
        const conv = new Conv2D({ filters: 4, kernelSize: 3, inputShape: [6, 6, 1], trainable: false });
        using model = buildCompiled(device, [conv, new Dropout(0.5), ...head()]);
        using loader = new ImageLoader(device, images);
        return (await model.fit(loader, { seed, shuffle: false, batchSize: SIZE })).epochs[0]!.loss;
      }),
    );
    expect(losses[0]).not.toBe(losses[1]);
  });

  test('Optimizer: keeps the state of frozen weights, and uses it when they are trained again', async () => {
    const { whole, conv } = extractor(2);
    using model = buildCompiled(device, [whole, ...head()]);
    await changedWeights(device, model);
    const { optimizer } = model.training;
    const kernel = model.weights.find(({ name }) => name.endsWith('conv/kernel'))!;
    const moments = async () => {
      const slots = await Promise.all(optimizer.slots.map(({ storage }) => device.read(storage)));
      return slots.map((bytes) => [...new Float32Array(bytes).subarray(kernel.offset!, kernel.offset! + 18)]);
    };
    const before = await moments();
    expect(before.flat().some((value) => value !== 0)).toBe(true);
    whole.trainable = false;
    await changedWeights(device, model);
    expect(await moments()).toEqual(before);
    conv.trainable = true;
    expect(await changedWeights(device, model)).toContain('conv/kernel');
    expect(await moments()).not.toEqual(before);
    expect(optimizer.iterations).toBe(3);
  });

  test('fit: throws if trainable changes during training, at any depth', async () => {
    const { whole, norm } = extractor(3);
    using model = buildCompiled(device, [whole, ...head()]);
    const freezes = {
      onEpochEnd: () => {
        norm.trainable = false;
      },
    };
    using loader = new ImageLoader(device, images);
    await expect(model.fit(loader, { epochs: 2, callbacks: [freezes] })).rejects.toThrow(/norm was changed while fit/);
  });

  test('fit: lists the first of many layers whose trainable changed during training', async () => {
    const layers = Array.from({ length: 8 }, (_, i) => new Dense({ units: 3, name: `d${i}` }));
    using model = buildCompiled(device, [new Flatten({ inputShape: [6, 6, 1] }), ...layers]);
    using loader = new ImageLoader(device, images);
    const freezes = {
      onEpochEnd: () => {
        for (const layer of layers) layer.trainable = false;
      },
    };
    await expect(model.fit(loader, { epochs: 2, callbacks: [freezes] })).rejects.toThrow(
      /^fit: trainable of d0, d1, d2, d3, d4 and 3 more was changed/,
    );
  });

  test('fit, trainOnBatch: throw before training if no weight is trainable', async () => {
    const { whole } = extractor(2);
    const layers = [whole, ...head()];
    using model = buildCompiled(device, layers);
    using loader = new ImageLoader(device, images);
    model.trainable = false;
    // Slices without weights, for example the pooling and the activations after the last convolution.
    for (const layer of model.layers.slice(1, 2)) layer.trainable = true;
    let hasBegun = false;
    const callbacks = [
      {
        onTrainBegin: () => {
          hasBegun = true;
        },
      },
    ];
    const { submits, dispatches } = device.counters;
    const expected =
      /: all layers of sequential_?\d* that have weights are frozen, so there is nothing to train; set trainable = true/;
    await expect(model.fit(loader, { callbacks })).rejects.toThrow(expected);
    await expect(model.fit(loader, { callbacks })).rejects.toThrow(ArgumentError);
    expect([hasBegun, device.counters.submits, device.counters.dispatches]).toEqual([false, submits, dispatches]);
    const batch = [Array.from({ length: 36 }, () => 0.5), [1]] as const;
    await expect(model.trainOnBatch(...(batch as unknown as [number[], number[]]))).rejects.toThrow(
      /^trainOnBatch: all layers/,
    );
    expect(model.training.optimizer.iterations).toBe(0);
    using weightless = new Sequential([new Flatten({ inputShape: [3, 1] }), new Activation('softmax')])
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    await expect(weightless.fit({ x: [[1, 2, 3]], y: [0] })).rejects.toThrow(
      /has no weights, so there is nothing to train/,
    );
    expect((await weightless.evaluate({ x: [[1, 2, 3]], y: [0] })).samples).toBeUndefined();
  });

  test('fit: trains a BatchNormalization that has only moving statistics', async () => {
    const { whole, conv } = extractor(1);
    using model = buildCompiled(device, [
      whole,
      new BatchNormalization({ name: 'alone', center: false, scale: false }),
      ...head(),
    ]);
    model.trainable = false;
    model.getLayer('alone').trainable = true;
    expect(conv.trainable).toBe(false);
    expect(await changedWeights(device, model)).toEqual(['alone/moving_mean', 'alone/moving_variance']);
  });
});

describeOnDevice('a frozen start of a model', (device) => {
  /** A model of `count` blocks of typical layers, among them residual sums and activations of several kernels. */
  function blocks(count: number): Model {
    const x = input([8, 8, 4]);
    let y = x;
    for (let i = 0; i < count; i++) {
      const conv = new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', activation: 'gelu' }).apply(y);
      const normed = new ReLU({ maxValue: 5 }).apply(new BatchNormalization().apply(conv));
      y = new Add().apply([y, new BatchNormalization({ axis: 1 }).apply(normed)]);
    }
    return new Model({ inputs: x, outputs: y });
  }

  /** A recorded training step over `count` frozen blocks: its dispatches, its bytes, and the dispatches of an inference. */
  function step(count: number, frozen: boolean) {
    const x = input([8, 8, 4]);
    const features = blocks(count);
    features.trainable = !frozen;
    const pooled = new GlobalAveragePooling2D().apply(features.apply(x));
    const outputs = new Dense({ units: 3, activation: 'softmax' }).apply(pooled);
    using model = new Model({ inputs: x, outputs })
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    using loader = new ImageLoader(device, drawImages(4, { classes: 3, shape: [8, 8, 4] }));
    const recorded = recordTrainingStep('test', model, loader, { batchSize: 4 });
    const { dispatches, bytes } = recorded.program;
    recorded.dispose();
    return { dispatches, bytes };
  }

  test('takes constant memory for any length, and only the dispatches of its forward pass', () => {
    const [two, four, eight] = [step(2, true), step(4, true), step(8, true)];
    expect([two.bytes, eight.bytes]).toEqual([four.bytes, four.bytes]);
    const perBlock = (four.dispatches - two.dispatches) / 2;
    expect(eight.dispatches - four.dispatches).toBe(4 * perBlock);
    // Convolution, gelu, batch norm, two kernels of a clipped ReLU, two transpositions around a batch norm, sum; and weight transforms.
    expect(perBlock).toBeLessThanOrEqual(11);
    const [trained, longer] = [step(2, false), step(4, false)];
    expect(longer.bytes).toBeGreaterThan(trained.bytes);
    expect((longer.dispatches - trained.dispatches) / 2).toBeGreaterThan(2 * perBlock);
  });
});
