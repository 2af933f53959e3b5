import { expect, test } from 'vitest';
import {
  ArgumentError,
  Dense,
  type Device,
  Dropout,
  GlobalAveragePooling2D,
  input,
  Model,
  noGrad,
  SGD,
  scope,
  tensor,
} from '../../src/node.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { allLayers, chance, describeModel, growModel, keepApart, pick } from '../support/drawn-models.ts';
import { drawnCases } from '../support/operator-cases.ts';
import { random } from '../support/random.ts';

// Compares random models with the same models called layer by layer, and trainings with cached features with trainings without.

const SHAPE = [7, 6, 4];
const PIXELS = 7 * 6 * 4;
const BATCH = 3;

type Spoil = (name: string, values: Float32Array) => void;

/** A value for the first channel of some weights. */
const spoil =
  (weight: string, value: number): Spoil =>
  (name, values) => {
    if (name.endsWith(weight)) values[0] = value;
  };

/** Values that give the same as layer by layer. An infinite gamma and values in a kernel that are not finite do not: see src/nn/graph/fusion.ts. */
const SPOILS: Record<string, Spoil> = {
  'a variance of 0': spoil('moving_variance', 0),
  'a tiny variance': spoil('moving_variance', 1e-30),
  'a huge variance': spoil('moving_variance', 1e38),
  'an infinite variance': spoil('moving_variance', Number.POSITIVE_INFINITY),
  'a negative variance': spoil('moving_variance', -1),
  'a variance of NaN': spoil('moving_variance', Number.NaN),
  'a huge mean': spoil('moving_mean', 1e30),
  'an infinite mean': spoil('moving_mean', Number.POSITIVE_INFINITY),
  'a mean of NaN': spoil('moving_mean', Number.NaN),
  'a gamma of 0': spoil('gamma', 0),
  'a gamma of NaN': spoil('gamma', Number.NaN),
  'an infinite beta': spoil('beta', Number.NEGATIVE_INFINITY),
  'a beta of NaN': spoil('beta', Number.NaN),
  'an infinite bias': spoil('bias', Number.POSITIVE_INFINITY),
  'a bias of NaN': spoil('bias', Number.NaN),
};

function drawModel(seed: number): Model {
  const draw = random(seed);
  const x = input(SHAPE);
  const model = new Model({ inputs: x, outputs: growModel(draw, x, draw.integer(2, 4)) });
  const share = pick(draw, [0, 0, 0.5, 1]);
  for (const layer of allLayers(model)) if (chance(draw, share)) layer.trainable = false;
  return model;
}

/** Sets random weights, so that none is exactly 0 or 1. */
function fillWeights(device: Device, model: Model, seed: number, change: Spoil = () => {}): void {
  const draw = random(seed);
  for (const { name, tensor } of model.weights) {
    const one = () => (name.endsWith('moving_variance') ? 0.5 + draw.uniform() : draw.normal());
    const values = Float32Array.from({ length: model.replicas * tensor.size }, one);
    change(name, values);
    device.upload(tensor.array.storage, values);
  }
}

const normals = (length: number, seed: number): Float32Array => {
  const { normal } = random(seed);
  return Float32Array.from({ length }, normal);
};

/** Output, gradients, and weights with the moving statistics after it. */
async function results(device: Device, model: Model, images: Float32Array, training: boolean) {
  const models = model.replicas;
  const x = tensor(device, images, [BATCH, ...SHAPE], { requiresGrad: training, models });
  const shape = [BATCH, ...model.outputShape];
  const size = models * shape.reduce((product, n) => product * n, 1);
  const dy = tensor(device, normals(size, 99), shape, { models });
  for (const weight of model.weights) if (weight.tensor.requiresGrad) weight.zeroGrad();
  const y = scope(device, () => {
    const call = () => model.call(x, { training, seed: 3, step: 1 });
    const out = training ? call() : noGrad(call);
    if (out.requiresGrad) out.backward(dy);
    return out;
  });
  const found: Record<string, ArrayLike<number>> = { output: await y.data() };
  if (x.grad) found.dx = await x.grad.data();
  for (const [i, { name, tensor, spec }] of model.weights.entries()) {
    if (training && tensor.grad && spec.layer?.trainable) found[`gradient of ${i} ${name}`] = await tensor.grad.data();
    found[`${i} ${name}`] = await tensor.data();
  }
  for (const one of [x, dy, y]) one.dispose();
  return found;
}

const seeds = Array.from({ length: drawnCases(10) }, (_, i) => i + 1);

describeOnDevice('models drawn at random', (device) => {
  /** The model of this seed, and the same model called layer by layer. */
  const pair = (seed: number, replicas: number) =>
    [drawModel(seed), keepApart(drawModel(seed))].map((model) => model.build(device, { replicas })) as [Model, Model];

  async function compare([model, apart]: [Model, Model], seed: number, what: string, change?: Spoil) {
    const images = normals(model.replicas * BATCH * PIXELS, seed);
    for (const training of [true, false]) {
      const of = (one: Model) => {
        fillWeights(device, one, seed, change);
        return results(device, one, images, training);
      };
      const [actual, expected] = [await of(model), await of(apart)];
      expect(Object.keys(actual)).toEqual(Object.keys(expected));
      for (const [name, values] of Object.entries(expected)) {
        const where = `${what}: ${name} in ${training ? 'training' : 'inference'}\n${describeModel(model)}\n`;
        expectClose(actual[name]!, values, { rtol: 1e-3, atol: 1e-4 }, where);
      }
    }
  }

  test.each(seeds)('model %i: outputs, gradients and statistics equal those computed layer by layer', async (seed) => {
    const models = pair(seed, seed % 3 === 0 ? 3 : 1);
    await compare(models, seed, 'drawn weights');
    for (const model of models) model.dispose();
  });

  test.each(seeds.slice(0, 4))(
    'model %i: NaN, infinities and variances of 0 give the same as layer by layer',
    async (seed) => {
      const models = pair(seed, 1);
      for (const [what, change] of Object.entries(SPOILS)) await compare(models, seed, what, change);
      for (const model of models) model.dispose();
    },
  );

  /** A classifier whose first layers are frozen. */
  function classifier(seed: number): Model {
    const draw = random(seed);
    const x = input(SHAPE);
    const pooled = new GlobalAveragePooling2D().apply(growModel(draw, x, draw.integer(2, 4)));
    const head = new Dense({ units: 3, activation: 'softmax' });
    const model = new Model({ inputs: x, outputs: head.apply(new Dropout(0.2).apply(pooled)) });
    const layers = allLayers(model);
    for (const layer of layers.slice(0, draw.integer(1, layers.length - 1))) layer.trainable = false;
    return model;
  }

  const x = normals(11 * PIXELS, 4);
  const y = Float32Array.from({ length: 11 }, (_, i) => i % 3);

  /** Weights after each part of a training in which other layers are frozen between the parts, and logs; null if nothing can be cached. */
  async function train(model: Model, seed: number, cacheFeatures: boolean) {
    model.build(device, { replicas: seed % 3 === 0 ? 3 : 1, seed: 2 });
    const optimizer = new SGD({ learningRate: 0.05, momentum: 0.9 });
    model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
    const [weights, logs]: [Float32Array[], number[]] = [[], []];
    const keep = async () => {
      for (const { tensor } of model.weights) weights.push((await tensor.data()) as Float32Array);
    };
    const trainOn = async (cache: boolean) => {
      const options = { epochs: 2, batchSize: 4, seed: 7, validationData: { x, y }, cacheFeatures: cache };
      const { replicas } = await model.fit({ x, y }, options);
      for (const { loss, valLoss } of replicas.flat()) logs.push(loss, valLoss!);
      await keep();
    };
    await trainOn(cacheFeatures);
    await model.trainOnBatch(x.subarray(0, 4 * PIXELS), y.subarray(0, 4));
    await keep();
    const [layers, head] = [allLayers(model).slice(0, -1), allLayers(model).at(-1)!];
    for (const [i, layer] of layers.entries()) layer.trainable = i % 2 === 0;
    await trainOn(false);
    for (const layer of layers) layer.trainable = false;
    head.trainable = true;
    await trainOn(cacheFeatures && layers.every(({ deterministic }) => deterministic));
    return { weights, logs, predictions: await model.predict(x) };
  }

  const withFeatures: number[] = [];
  test.each(seeds)(
    'classifier %i: training is the same with and without cached features and fused layers',
    async (seed) => {
      const models = [classifier(seed), classifier(seed), keepApart(classifier(seed))] as const;
      const [plain, kept, apart] = [
        await train(models[0], seed, false),
        // Throws if a layer before the frozen ones is trained or random.
        await train(models[1], seed, true).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ArgumentError);
          return null;
        }),
        await train(models[2], seed, false),
      ];
      const where = `\n${describeModel(models[0])}\n`;
      const close = { rtol: 1e-2, atol: 1e-3 };
      if (kept) {
        withFeatures.push(seed);
        for (const [i, values] of plain.weights.entries())
          expectSameBits(kept.weights[i]!, values, `kept ${i}${where}`);
        expectClose(kept.logs, plain.logs, { rtol: 1e-5, atol: 1e-6 }, `kept, logs${where}`);
        expectSameBits(kept.predictions, plain.predictions, `kept, predictions${where}`);
      }
      for (const [i, values] of apart.weights.entries())
        expectClose(plain.weights[i]!, values, close, `apart ${i}${where}`);
      expectClose(plain.logs, apart.logs, close, `apart, logs${where}`);
      for (const model of models) model.dispose();
    },
  );

  test('most of the models could cache features', () => {
    expect(withFeatures.length).toBeGreaterThan(seeds.length / 2);
  });
});
