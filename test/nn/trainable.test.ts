import { expect, test } from 'vitest';
import {
  AdamW,
  type CallContext,
  Conv2D,
  Dense,
  Flatten,
  ImageLoader,
  Layer,
  Sequential,
  type Shape,
  scope,
  sum,
  type Tensor,
  tensor,
  zeros,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

/** A custom identity layer with an unused weight, and a weight that no gradient changes. */
class Counting extends Layer {
  readonly kind = 'Counting';
  contexts: CallContext[] = [];

  plan(inputShape: Shape) {
    return {
      outputShape: inputShape,
      weights: [
        { name: 'unused', shape: [3], initializer: () => Float32Array.of(1, 2, 3) },
        { name: 'seen', shape: [2], initializer: () => Float32Array.of(7, 8), trainable: false },
      ],
    };
  }

  call(x: Tensor, context: CallContext): Tensor {
    this.contexts.push(context);
    return x;
  }
}

function layers() {
  const conv = new Conv2D({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1], activation: 'relu' });
  const counting = new Counting();
  const hidden = new Dense({ units: 4, activation: 'relu', kernelRegularizer: 'l2' });
  const head = new Dense({ units: 3, activation: 'softmax' });
  return { conv, counting, hidden, head, all: [conv, new Flatten(), counting, hidden, head] };
}

test('summary, countParams: count trainable and frozen weights separately', () => {
  const { conv, counting, hidden, all } = layers();
  const model = new Sequential(all);
  // conv 9 * 2 + 2, counting 3 and 2, hidden 32 * 4 + 4, head 4 * 3 + 3
  expect(model.countParams()).toBe(20 + 5 + 132 + 15);
  const totals = () => model.summary().split('\n').slice(-3);
  expect(totals()).toEqual([
    'Total params: 172 (688.00 B)',
    'Trainable params: 170 (680.00 B)',
    'Non-trainable params: 2 (8.00 B)',
  ]);
  hidden.trainable = false;
  counting.trainable = false;
  expect(totals()[1]).toBe('Trainable params: 35 (140.00 B)');
  expect(totals()[2]).toBe('Non-trainable params: 137 (548.00 B)');
  expect(model.countParams()).toBe(172);
  expect(model.trainable).toBe(true);
  model.trainable = false;
  expect(conv.trainable).toBe(false);
  expect(model.trainable).toBe(false);
  expect(totals()[1]).toBe('Trainable params: 0 (0.00 B)');
  model.trainable = true;
  expect(totals()[1]).toBe('Trainable params: 170 (680.00 B)');
});

test('Layer: can be frozen by the option trainable', () => {
  expect(new Dense({ units: 1, trainable: false }).trainable).toBe(false);
  expect(new Dense({ units: 1 }).trainable).toBe(true);
});

describeOnDevice('frozen layers', (device) => {
  const images = drawImages(12, { classes: 3, shape: [6, 6, 1] });
  const build = () => {
    const parts = layers();
    const model = new Sequential(parts.all).build(device, { seed: 2 });
    const optimizer = new AdamW({ learningRate: 0.05, weightDecay: 0.1 });
    return { ...parts, model: model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' }) };
  };
  const weightsOf = async (model: Sequential) =>
    Object.fromEntries(
      await Promise.all(model.weights.map(async ({ name, tensor }) => [name, [...(await tensor.data())]] as const)),
    );
  /** Trains one epoch. @returns names of the weights that changed, the loss and the dispatches */
  async function train(model: Sequential) {
    using loader = new ImageLoader(device, images);
    const before = await weightsOf(model);
    const { dispatches } = device.counters;
    const { epochs } = await model.fit(loader, { batchSize: 12 });
    const spent = device.counters.dispatches - dispatches;
    const after = await weightsOf(model);
    const changed = Object.keys(after).filter((name) => after[name]!.some((w, i) => w !== before[name]![i]));
    return { changed, loss: epochs[0]!.loss, dispatches: spent };
  }

  test('keep their bits despite weight decay and penalties, and train again when unfrozen', async () => {
    const { model, conv, hidden } = build();
    using trained = model;
    const [CONV, HIDDEN, HEAD, UNUSED] = [
      ['conv2d/kernel', 'conv2d/bias'],
      ['dense/kernel', 'dense/bias'],
      ['dense_1/kernel', 'dense_1/bias'],
      // It has no gradient, but AdamW's decay changes it.
      ['counting/unused'],
    ];
    hidden.trainable = false;
    expect((await train(trained)).changed).toEqual([...CONV!, ...UNUSED!, ...HEAD!]);
    expect(trained.nonTrainableWeights.map(({ name }) => name)).toEqual(['counting/seen', ...HIDDEN!]);
    expect(trained.trainableWeights).toHaveLength(5);
    hidden.trainable = true;
    conv.trainable = false;
    expect((await train(trained)).changed).toEqual([...UNUSED!, ...HIDDEN!, ...HEAD!]);
    trained.trainable = true;
    expect((await train(trained)).changed).toEqual([...CONV!, ...UNUSED!, ...HIDDEN!, ...HEAD!]);
  });

  test('run no gradient kernels, and change the loss only by their penalty', async () => {
    const dispatches: number[] = [];
    const losses: number[] = [];
    let penalty = 0; // of the hidden layer, l2(0.01)
    for (const freeze of [
      () => {},
      ({ hidden }) => {
        hidden.trainable = false;
      },
      ({ conv, counting, hidden }) => {
        for (const layer of [conv, counting, hidden]) layer.trainable = false;
      },
    ] as ((built: ReturnType<typeof build>) => void)[]) {
      const built = build();
      freeze(built);
      penalty = 0.01 * (await weightsOf(built.model))['dense/kernel']!.reduce((sum, w) => sum + w * w, 0);
      const { loss, dispatches: spent } = await train(built.model);
      losses.push(loss);
      dispatches.push(spent);
      built.model.dispose();
    }
    expect(losses[2]).toBe(losses[1]);
    expect(losses[0]! - losses[1]!).toBeCloseTo(penalty, 5);
    expect(penalty).toBeGreaterThan(0.01);
    for (let k = 1; k < dispatches.length; k++) expect(dispatches[k]).toBeLessThan(dispatches[k - 1]!);
  });

  test('frozen weights and weights that are never trained get no gradient', async () => {
    const { model, conv, counting } = build();
    using trained = model;
    conv.trainable = false;
    await train(trained);
    const byName = new Map(trained.weights.map((weight) => [weight.name, weight]));
    scope(device, () => sum(trained.call(tensor(device, new Float32Array(36), [1, 6, 6, 1]))).backward());
    expect(byName.get('conv2d/kernel')!.tensor.requiresGrad).toBe(false);
    expect(byName.get('conv2d/kernel')!.tensor.grad).toBeNull();
    expect(byName.get('dense/kernel')!.tensor.grad).not.toBeNull();
    const seen = byName.get('counting/seen')!;
    expect(seen.trainable).toBe(false);
    expect(counting.contexts[0]!.weights.map(({ requiresGrad }) => requiresGrad)).toEqual([true, false]);
    expect([...(await seen.tensor.data())]).toEqual([7, 8]);
  });

  test('a model without trainable weights can be evaluated; fit throws', async () => {
    using loader = new ImageLoader(device, images);
    using model = new Sequential([
      new Flatten({ inputShape: [6, 6, 1] }),
      new Dense({ units: 3, activation: 'softmax', kernelInitializer: zeros, trainable: false }),
    ])
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    expect((await model.evaluate(loader)).loss).toBeCloseTo(Math.log(3), 5);
    const nothing =
      /^fit: all layers of sequential that have weights are frozen, so there is nothing to train; set trainable = true/;
    await expect(model.fit(loader)).rejects.toThrow(nothing);
  });
});
