import { describe, expect, test } from 'vitest';
import { layerCalls } from '../../src/nn/graph/layer-calls.ts';
import { recomputeSegments } from '../../src/nn/graph/recompute-segments.ts';
import {
  Activation,
  Add,
  ArgumentError,
  BatchNormalization,
  Conv2D,
  Dense,
  Dropout,
  Flatten,
  input,
  Lambda,
  type Layer,
  MaxPooling2D,
  Model,
  modelConfig,
  modelFromConfig,
  mul,
  Sequential,
  softmaxCrossEntropy,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

const convolution = (filters: number, more: object = {}) =>
  new Conv2D({ filters, kernelSize: 3, padding: 'same', activation: 'relu', ...more });

/** A small VGG with batch normalization and dropout. */
const vgg = () =>
  new Sequential([
    convolution(4, { inputShape: [8, 8, 3] }),
    new BatchNormalization(),
    convolution(4),
    new MaxPooling2D(),
    new Dropout(0.3),
    convolution(8, { activation: 'linear' }),
    new BatchNormalization(),
    new Activation('relu'),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 8, activation: 'relu' }),
    new Dropout(0.2),
    new Dense({ units: 3, activation: 'softmax' }),
  ]);

/** Residual blocks, and one layer that is applied twice. */
function residual(): Model {
  const x = input([8, 8, 3]);
  const first = convolution(4).apply(x);
  const shared = convolution(4);
  const block = (y: ReturnType<Layer['apply']>, layer: Layer) =>
    new Add().apply([y, new BatchNormalization().apply(layer.apply(y))]);
  const y = block(block(block(first, shared), convolution(4)), shared);
  const z = new Dense({ units: 3, activation: 'softmax' }).apply(new Flatten().apply(y));
  return new Model({ inputs: x, outputs: z });
}

const data = () => {
  let state = 1;
  const next = () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  return {
    x: { shape: [24, 8, 8, 3], data: Float32Array.from({ length: 24 * 8 * 8 * 3 }, next) },
    y: Uint32Array.from({ length: 24 }, (_, i) => i % 3),
  };
};

/** First and last layer of each segment, by their names. */
const segmentsOf = (model: Model) => {
  const calls = layerCalls(model.graph);
  return recomputeSegments(calls, { from: 0, to: calls.length }).map(({ first, end }) =>
    [calls[first]!, calls[end - 1]!].map(({ layer }) => layer.name),
  );
};

describe('recomputeSegments', () => {
  test('a stack of equal layers is divided into about as many segments as a segment has layers', () => {
    const layers = Array.from(
      { length: 16 },
      (_, i) => new Dense({ units: 8, ...(i === 0 ? { inputShape: [8] } : {}) }),
    );
    const model = new Sequential(layers);
    model.recompute = true;
    const found = recomputeSegments(layerCalls(model.graph), { from: 0, to: 16 });
    expect(found.map(({ first }) => first)).toEqual([0, ...found.slice(0, -1).map(({ end }) => end)]);
    const lengths = found.map(({ first, end }) => end - first);
    // The last segment is not recomputed.
    expect(lengths.length).toBeGreaterThanOrEqual(2);
    for (const length of lengths) expect(length).toBeLessThanOrEqual(5);
  });

  test('a single layer is a segment, and none without recompute', () => {
    const model = vgg();
    expect(segmentsOf(model)).toEqual([]);
    model.layers[2]!.recompute = true;
    expect(segmentsOf(model)).toEqual([['conv2d_1', 'conv2d_1']]);
  });

  test('no segment ends within a branch, between layers that are fused, or where it would change the order of additions', () => {
    const model = residual();
    model.recompute = true;
    const [starts, ends] = [segmentsOf(model).map(([first]) => first), segmentsOf(model).map(([, last]) => last)];
    for (const name of ends) expect(name).not.toMatch(/conv2d_[12]|batch_normalization/);
    expect(starts.length).toBeGreaterThan(0);
  });

  test('an option of layers: checked, saved, and set for all layers of a model', () => {
    expect(() => new Dense({ units: 2, recompute: 1 as never })).toThrow(ArgumentError);
    const model = vgg();
    expect(model.recompute).toBe(false);
    model.recompute = true;
    expect(model.layers.every(({ recompute }) => recompute)).toBe(true);
    expect(model.layers[0]!.getConfig()).toMatchObject({ recompute: true });
    const copy = modelFromConfig(modelConfig(model));
    expect(copy.recompute).toBe(true);
    expect(vgg().layers[0]!.getConfig()).not.toHaveProperty('recompute');
  });
});

describeOnDevice('recompute', (device) => {
  /** Bits of all weights, logs and peak bytes of a training. */
  async function train(make: () => Model, choose: (model: Model) => void, replicas = 1) {
    const model = make().build(device, { seed: 3, replicas });
    choose(model);
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
    const { epochs } = await model.fit(data(), { epochs: 2, batchSize: 8, seed: 5 });
    const weights = (await model.getWeights()).map(({ data: values }) => [...new Uint32Array(values.buffer)]);
    const measured = await model.evaluate(data());
    model.dispose();
    return { weights, losses: epochs.map(({ loss }) => loss), measured };
  }

  const everything = (model: Model) => {
    model.recompute = true;
  };
  const some = (model: Model) => {
    for (const layer of model.layers.slice(2, 7)) layer.recompute = true;
  };
  const one = (model: Model) => {
    model.layers[1]!.recompute = true;
  };

  test.each([
    ['a VGG, whole', vgg, everything],
    ['a VGG, some layers', vgg, some],
    ['a VGG, a batch normalization', vgg, one],
    ['residual blocks, whole', residual, everything],
    ['residual blocks, some layers', residual, some],
    ['residual blocks, a shared layer', residual, one],
  ])('%s: losses, weights and moving statistics have the bits of a training without it', async (_, make, choose) => {
    const without = await train(make, () => {});
    expect(await train(make, choose)).toEqual(without);
  });

  test('a loop of one’s own: the gradients and moving statistics have the same bits, and a second backward is refused', async () => {
    const results = [];
    for (const recompute of [false, true]) {
      const model = vgg().build(device, { seed: 3 });
      model.recompute = recompute;
      const { x, y } = data();
      const loss = softmaxCrossEntropy(
        model.callLogits(tensor(device, x.data, x.shape), { training: true, seed: 2, step: 1 }),
        tensor(device, y, [24], { dtype: 'u32' }),
      );
      loss.backward();
      expect(() => loss.backward()).toThrow(ArgumentError);
      const grads = await Promise.all(model.trainableWeights.map(({ tensor: weight }) => weight.grad!.data()));
      results.push({ grads, weights: (await model.getWeights()).map(({ data: values }) => values) });
      loss.dispose();
      model.dispose();
    }
    expect(results[1]).toEqual(results[0]);
  });

  test('a layer that applies its weight twice, before a layer that uses its input again', async () => {
    const twice = (recompute: boolean) => {
      const x = input([6]);
      const a = new Dense({ units: 6, activation: 'tanh' }).apply(x);
      const shared = new Dense({ units: 6, activation: 'relu', recompute });
      const b = shared.apply(shared.apply(a));
      const c = new Lambda((z) => mul(z, z), { recompute }).apply(new Add({ recompute }).apply([a, b, a]));
      return new Model({ inputs: x, outputs: new Dense({ units: 3, activation: 'softmax' }).apply(c) });
    };
    const bits = [];
    for (const recompute of [false, true]) {
      const model = twice(recompute).build(device, { seed: 1 });
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const x = { shape: [12, 6], data: data().x.data.slice(0, 72) };
      await model.fit({ x, y: data().y.slice(0, 12) }, { epochs: 3, batchSize: 4, seed: 1 });
      bits.push((await model.getWeights()).map(({ data: values }) => [...new Uint32Array(values.buffer)]));
      model.dispose();
    }
    expect(bits[1]).toEqual(bits[0]);
  });

  test('trainOnBatch records its step again if recompute changes', async () => {
    const model = vgg().build(device, { seed: 3 });
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const { x, y } = data();
    const dispatches: number[] = [];
    for (const recompute of [false, true, false]) {
      model.recompute = recompute;
      await model.trainOnBatch(x, y);
      const before = device.counters.dispatches;
      await model.trainOnBatch(x, y);
      dispatches.push(device.counters.dispatches - before);
    }
    expect(dispatches[1]).toBeGreaterThan(dispatches[0]!);
    expect(dispatches[2]).toBe(dispatches[0]);
    model.dispose();
  });

  test('a deep stack needs less than 70 percent of the memory', async () => {
    const bytesOf = async (recompute: boolean) => {
      const layers = Array.from({ length: 24 }, (_, i) => convolution(8, i === 0 ? { inputShape: [16, 16, 8] } : {}));
      const model = new Sequential([...layers, new Flatten(), new Dense({ units: 3, activation: 'softmax' })]);
      model.build(device, { seed: 1 });
      model.recompute = recompute;
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const x = { shape: [16, 16, 16, 8], data: new Float32Array(16 * 16 * 16 * 8).fill(0.5) };
      const before = device.counters.bytesAllocated;
      await model.trainOnBatch(
        x,
        Uint32Array.from({ length: 16 }, (_, i) => i % 3),
      );
      const bytes = device.counters.bytesAllocated - before;
      model.dispose();
      device.trim();
      return bytes;
    };
    const without = await bytesOf(false);
    expect(await bytesOf(true)).toBeLessThan(0.7 * without);
  });

  test('frozen batch normalizations and replicas: the same bits', async () => {
    const freeze = (model: Model) => {
      for (const layer of model.layers) if (layer.kind === 'BatchNormalization') layer.trainable = false;
    };
    const without = await train(vgg, freeze, 2);
    const recomputed = await train(
      vgg,
      (model) => {
        freeze(model);
        everything(model);
      },
      2,
    );
    expect(recomputed).toEqual(without);
  });
});
