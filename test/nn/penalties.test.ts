import { describe, expect, test } from 'vitest';
import { ParameterStore } from '../../src/nn/weights/parameters.ts';
import {
  ArgumentError,
  Conv2D,
  Dense,
  type Device,
  Flatten,
  ImageLoader,
  Layer,
  type Regularizer,
  type RegularizerName,
  regularizers,
  Sequential,
  SGD,
  type Shape,
  type Tensor,
  tensor,
  zeros,
} from '../../src/node.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { drawLike } from '../support/operator-cases.ts';

const { l1, l2, l1l2 } = regularizers;
type Penalty = RegularizerName | Regularizer | undefined;
type Rates = { l1: number; l2: number };

/** Keras's L1L2 and its gradient, in float64. */
const penaltyIn = ({ l1, l2 }: Rates, w: ArrayLike<number>) =>
  Array.from(w).reduce((sum, x) => sum + l1 * Math.abs(x) + l2 * x * x, 0);
const gradientOf = ({ l1, l2 }: Rates, x: number) => l1 * Math.sign(x) + 2 * l2 * x;

/** Weights with these values and penalties in flat buffers, with the penalties' gradients added to `gradients`. */
async function flatPenalties(
  device: Device,
  weights: readonly { w: ArrayLike<number>; regularizer: Regularizer }[],
  replicas = 1,
) {
  const specs = weights.map(({ w, regularizer }, k) => ({
    name: `w${k}`,
    shape: [w.length / replicas],
    initializer: zeros,
    regularizer,
  }));
  const store = new ParameterStore(device, specs, 0, replicas);
  for (const [k, { tensor }] of store.weights.entries()) {
    device.upload(tensor.array.storage, Float32Array.from(weights[k]!.w));
  }
  if (store.penalties!.perReplica) store.uploadReplicaOfElement();
  const loss = tensor(device, new Float32Array(replicas), [], { models: replicas });
  const total = store.penalties!.addTo(loss);
  store.penalties!.addGradients();
  const value = Array.from(await total.data());
  const flat = await device.read(store.gradients.storage);
  const gradients = store.weights.map(({ offset }, k) =>
    Array.from(new Float32Array(flat, 4 * offset!, weights[k]!.w.length)),
  );
  for (const owned of [loss, total, store]) owned.dispose();
  return { value, gradients };
}

describeOnDevice('penalties on the flat buffer of weights', (device) => {
  const rates: Rates[] = [
    { l1: 0.03, l2: 0 },
    { l1: 0, l2: 0 },
    { l1: 0, l2: 0.07 },
    { l1: 0.02, l2: 0.05 },
  ];

  // Blocks have 64 elements; with more than 64 blocks, the sum takes two passes.
  test.each([1, 63, 64, 65, 66_000])('weights of %i elements: value and gradient', async (size) => {
    const weights = rates.map((regularizer, k) => ({
      w: drawLike([size], 6 + k).data.map((x, i) => (i % 9 === 0 ? 0 : Math.fround(x))),
      regularizer,
    }));
    const { value, gradients } = await flatPenalties(device, weights);
    const expected = weights.reduce((sum, { w }, k) => sum + penaltyIn(rates[k]!, w), 0);
    expectClose(value, [expected], { rtol: 2e-6 }, 'value');
    for (const [k, { w }] of weights.entries()) {
      const exact = Array.from(w, (x) => gradientOf(rates[k]!, x));
      expectClose(gradients[k]!, exact, { rtol: 3e-7, magnitude: exact.map(Math.abs) }, 'gradient');
    }
  });

  // The replicas of a weight follow each other, so blocks may begin and end anywhere.
  test.each([
    ['the same rates', [0.02, 0.02, 0.02]],
    ['different rates', [0.02, 0, 0.5]],
  ])('replicas with %s have the bits of single models', async (what, rates) => {
    const sizes = [450, 10, 64, 1, 4999];
    const all = sizes.map((size, k) => drawLike([rates.length * size], 8 + k).data.map(Math.fround));
    const regularizer = what === 'the same rates' ? l1l2({ l1: 0.02, l2: 0.02 }) : l1l2({ l1: rates, l2: rates });
    const together = await flatPenalties(
      device,
      all.map((w) => ({ w, regularizer })),
      rates.length,
    );
    for (const [r, rate] of rates.entries()) {
      const part = (w: ArrayLike<number>, k: number) => Array.from(w).slice(r * sizes[k]!, (r + 1) * sizes[k]!);
      if (rate === 0) {
        expect(together.value[r]).toBe(0);
        for (const [k, g] of together.gradients.entries()) expect(part(g, k)).toEqual(part(g, k).map(() => 0));
        continue;
      }
      const one = l1l2({ l1: rate, l2: rate });
      const alone = await flatPenalties(
        device,
        all.map((w, k) => ({ w: part(w, k), regularizer: one })),
      );
      expectSameBits([together.value[r]!], alone.value, `value of ${r}`);
      for (const [k, g] of alone.gradients.entries())
        expectSameBits(part(together.gradients[k]!, k), g, `gradient ${k} of ${r}`);
    }
  });

  test('a NaN weight makes its penalty NaN, and has no effect if it has no penalty', async () => {
    const spoilt = new Float32Array(64).fill(Number.NaN);
    const fine = new Float32Array(64).fill(1);
    const none = l1l2({});
    for (const penalty of [l1(1), l2(1)]) {
      const left = await flatPenalties(device, [
        { w: fine, regularizer: penalty },
        { w: spoilt, regularizer: none },
      ]);
      expect(left.value).toEqual([64]);
      expect(left.gradients[1]).toEqual(Array(64).fill(0));
      const hit = await flatPenalties(device, [
        { w: fine, regularizer: none },
        { w: spoilt, regularizer: penalty },
      ]);
      expect(hit.value).toEqual([Number.NaN]);
      expect(hit.gradients).toEqual([Array(64).fill(0), Array(64).fill(Number.NaN)]);
    }
  });
});

describeOnDevice('penalties in training', (device) => {
  const images = drawImages(9, { classes: 3, shape: [6, 6, 1] });
  const learningRate = 0.125;
  const build = (conv: Penalty, dense: Penalty) => {
    const layers = [
      new Conv2D({ filters: 3, kernelSize: 3, inputShape: [6, 6, 1], kernelRegularizer: conv }),
      new Flatten(),
      new Dense({ units: 3, activation: 'softmax', kernelRegularizer: dense }),
    ];
    const model = new Sequential(layers).build(device, { seed: 4 });
    const loss = 'sparseCategoricalCrossentropy';
    return { model: model.compile({ optimizer: new SGD({ learningRate }), loss }), layers };
  };
  const weightsOf = (model: Sequential) =>
    Promise.all(model.weights.map(async ({ tensor }) => Array.from(await tensor.data())));

  describe.each([
    { conv: l2(0.3), dense: undefined },
    { conv: 'l1', dense: 'l2' },
    { conv: l1l2({ l1: 0.05, l2: 0.2 }), dense: l1(0.02) },
  ] as { conv: Penalty; dense: Penalty }[])('$conv, $dense', ({ conv, dense }) => {
    const rates: Record<string, Rates> = { l1: { l1: 0.01, l2: 0 }, l2: { l1: 0, l2: 0.01 } };
    const full = (p: Penalty) => (typeof p === 'string' ? rates[p]! : ((p as Rates | undefined) ?? { l1: 0, l2: 0 }));
    const none = { l1: 0, l2: 0 };
    const byWeight = [full(conv), none, full(dense), none];
    /** Penalty of the trainable weights: Keras 3 ignores that of a frozen weight. */
    const penaltyOf = (weights: number[][], frozen: boolean) =>
      weights.reduce((sum, w, k) => (frozen && k < 2 ? sum : sum + penaltyIn(byWeight[k]!, w)), 0);

    test.each([false, true])(
      'are in the loss, in the step and in the validation loss; first layer frozen: %s',
      async (frozen) => {
        using loader = new ImageLoader(device, images);
        const [plain, penalized] = [build(undefined, undefined), build(conv, dense)];
        const start = await weightsOf(plain.model);
        const histories = [];
        for (const { model, layers } of [plain, penalized]) {
          layers[0]!.trainable = !frozen;
          histories.push(await model.fit(loader, { batchSize: 9, validationData: loader }));
        }
        const [plainLoss, loss] = histories.map(({ epochs }) => epochs[0]!.loss);
        // The loss of a step is computed before the update.
        expectClose([loss!], [plainLoss! + penaltyOf(start, frozen)], { rtol: 2e-6 }, 'loss');
        const [without, moved] = [await weightsOf(plain.model), await weightsOf(penalized.model)];
        moved.forEach((weight, k) => {
          const penalty = frozen && k < 2 ? none : byWeight[k]!;
          const expected = without[k]!.map((w, i) => w - learningRate * gradientOf(penalty, start[k]![i]!));
          expectClose(
            weight,
            expected,
            { rtol: 1e-6, magnitude: start[k]!.map((w) => Math.abs(w) + 0.1) },
            `weight ${k}`,
          );
        });
        // Validation uses the weights after the step: their loss and their penalty.
        const valLoss = histories[1]!.epochs[0]!.valLoss!;
        const evaluated = await penalized.model.evaluate(loader, { batchSize: 4 });
        expectClose([evaluated.loss], [valLoss], { rtol: 1e-6 });
        const other = build(undefined, undefined).model;
        for (const [k, { tensor: weight }] of other.weights.entries()) {
          device.upload(weight.array.storage, Float32Array.from(moved[k]!));
        }
        const plainAfter = await other.evaluate(loader);
        expectClose([valLoss], [plainAfter.loss + penaltyOf(moved, frozen)], { rtol: 2e-6 }, 'validation loss');
        for (const model of [plain.model, penalized.model, other]) model.dispose();
      },
    );
  });

  test('are recomputed if `trainable` changes between calls; several ranges add up', async () => {
    using loader = new ImageLoader(device, images);
    const dense = (units: number, kernelRegularizer?: Regularizer) => new Dense({ units, kernelRegularizer });
    const layers = [
      new Flatten({ inputShape: [6, 6, 1] }),
      dense(5, l2(0.5)),
      dense(4, l1(0.25)),
      dense(7),
      dense(70, l2(0.125)),
      dense(3, l1l2({ l1: 1, l2: 2 })),
    ];
    using model = new Sequential(layers)
      .build(device, { seed: 4 })
      .compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const kernels = (await weightsOf(model)).filter((_, i) => i % 2 === 0);
    const rates = [l2(0.5), l1(0.25), { l1: 0, l2: 0 }, l2(0.125), l1l2({ l1: 1, l2: 2 })] as Rates[];
    const lossWith = async (trained: boolean[]) => {
      trained.forEach((trainable, k) => {
        layers[k + 1]!.trainable = trainable;
      });
      return (await model.evaluate(loader)).loss;
    };
    const none = await lossWith([false, false, false, false, false]);
    for (const trained of [
      [true, true, true, true, true],
      [false, true, false, true, false],
      [true, false, true, false, true],
      [false, false, true, false, false],
      [true, true, true, true, true],
    ]) {
      const added = trained.reduce((sum, on, k) => sum + (on ? penaltyIn(rates[k]!, kernels[k]!) : 0), 0);
      expectClose([await lossWith(trained)], [none + added], { rtol: 2e-6 }, JSON.stringify(trained));
    }
    // If frozen when `fit` begins, it is in neither loss nor step.
    await lossWith([false, true, false, false, false]);
    const { epochs } = await model.fit(loader, { batchSize: 9 });
    expectClose([epochs[0]!.loss], [none + penaltyIn(rates[1]!, kernels[1]!)], { rtol: 2e-6 });
    expectSameBits((await weightsOf(model))[0]!, kernels[0]!);
  });

  test('a weight that the loss does not depend on changes only by its penalty, by the same amount at each step', async () => {
    class Idle extends Layer {
      readonly kind = 'Idle';
      plan(inputShape: Shape) {
        const initializer = () => Float32Array.of(1, -1, 0);
        return {
          outputShape: inputShape,
          weights: [{ name: 'w', shape: [3], initializer, regularizer: l1(0.25) }],
        };
      }
      call(x: Tensor): Tensor {
        return x;
      }
    }
    using loader = new ImageLoader(device, images);
    const layers = [new Flatten({ inputShape: [6, 6, 1] }), new Idle(), new Dense({ units: 3, activation: 'softmax' })];
    using model = new Sequential(layers)
      .build(device)
      .compile({ optimizer: new SGD({ learningRate: 0.5 }), loss: 'sparseCategoricalCrossentropy' });
    await model.fit(loader, { batchSize: 3 }); // three steps of 0.5 * 0.25
    expect((await weightsOf(model))[0]).toEqual([0.625, -0.625, 0]);
  });

  test('take no dispatch if unused, and a constant number of dispatches for any number of layers', async () => {
    using loader = new ImageLoader(device, images);
    const counts: number[] = [];
    for (const [conv, dense] of [
      [undefined, undefined],
      [l2(0), l1(0)],
      [l2(), undefined],
      ['l1', l2()],
    ] as const) {
      const { model } = build(conv, dense);
      const before = { ...device.counters };
      await model.fit(loader, { batchSize: 9 });
      // The steps, the metrics, and the weights, which are checked once at the end.
      expect(device.counters.submits - before.submits).toBeLessThanOrEqual(4);
      counts.push(device.counters.dispatches - before.dispatches);
      model.dispose();
    }
    expect(counts[1]).toBe(counts[0]);
    expect(counts[3]).toBe(counts[2]);
    expect(counts[2]! - counts[0]!).toBeLessThanOrEqual(5);
  });
});

test.each([
  ['l1', () => l1(-1)],
  ['l2', () => l2(Number.NaN)],
  ['l2', () => l1l2({ l1: 0, l2: '1' as unknown as number })],
  ['kernelRegularizer', () => new Dense({ units: 1, kernelRegularizer: 'l3' as RegularizerName })],
  ['kernelRegularizer', () => new Conv2D({ filters: 1, kernelSize: 1, kernelRegularizer: 5 as unknown as 'l1' })],
  ['l1', () => new Dense({ units: 1, kernelRegularizer: { l1: -1, l2: 0 } })],
])('throws for %s', (says, create) => {
  expect(create).toThrow(ArgumentError);
  expect(create).toThrow(says);
});
