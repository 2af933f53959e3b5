import { expect, test } from 'vitest';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import { ParameterStore } from '../../src/nn/weights/parameters.ts';
import {
  Adam,
  AdamW,
  ArgumentError,
  type ClipOptions,
  Dense,
  type Device,
  Flatten,
  ImageLoader,
  RMSprop,
  regularizers,
  Sequential,
  SGD,
  zeros,
} from '../../src/node.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { clip } from '../reference/optimizers.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { drawLike } from '../support/operator-cases.ts';

// Weights of one block, of exactly two, of one element, and of more blocks than a workgroup has invocations.
const SHAPES = [[7, 9], [128], [1], [70, 64]];

/** The clipped gradients: what a step of SGD with rate 1 subtracts from zero weights. */
async function runClipped(device: Device, options: ClipOptions, gradients: readonly NdArray[], frozen = -1) {
  const optimizer = new SGD({ learningRate: 1, ...options });
  const layerOf = (k: number) => ({ trainable: k !== frozen });
  const specs = SHAPES.map((shape, k) => ({ name: `w${k}`, shape, initializer: zeros, layer: layerOf(k) }));
  const store = new ParameterStore(device, specs, 0);
  const state = new StepState(device);
  optimizer.build(store);
  store.weights.forEach(({ offset }, k) => {
    device.upload(store.gradients.storage, Float32Array.from(gradients[k]!.data), 4 * offset!);
  });
  state.write({ batchStart: 0, step: 1, rates: [{ stepSize: 1, rate: 1 }] });
  const before = device.counters.dispatches;
  optimizer.apply(store, state);
  const dispatches = device.counters.dispatches - before;
  const steps: number[][] = [];
  for (const { tensor } of store.weights) steps.push(Array.from(await tensor.data(), (w) => -w));
  state.dispose();
  optimizer.dispose();
  store.dispose();
  return { steps, dispatches };
}

const draw = (scale = 1) =>
  SHAPES.map((shape, k) => map(drawLike(shape, 20 + k), (g) => Math.fround(g * scale * 10 ** (1 - k))));
const zero = SHAPES.map((shape) => ndarray(shape));

describeOnDevice('gradient clipping', (device) => {
  test.each([
    { clipNorm: 0.7 },
    { clipNorm: 3 },
    { clipNorm: 1e6 },
    { globalClipNorm: 0.5 },
    { globalClipNorm: 1e6 },
    { clipValue: 0.05 },
    { clipValue: 1e6 },
  ] as ClipOptions[])('%j agrees with the reference, without frozen weights', async (options) => {
    for (const frozen of [-1, 0, 3]) {
      const gradients = draw();
      const counted = gradients.map((g, k) => (k === frozen ? map(g, () => 0) : g));
      const { steps, dispatches } = await runClipped(device, options, gradients, frozen);
      clip(counted, options).forEach((expected, k) => {
        expectClose(steps[k]!, expected.data, { rtol: 1e-6 }, `weight ${k}, frozen ${frozen}`);
      });
      expect(dispatches).toBe('clipValue' in options ? 2 : 4);
    }
  });

  test('clipping: leaves missing gradients missing', async () => {
    for (const options of [{ clipNorm: 1 }, { globalClipNorm: 1 }, { clipValue: 1 }]) {
      const { steps } = await runClipped(device, options, zero);
      expect(steps.flat().every((step) => step === 0)).toBe(true);
    }
  });

  test('clipping: NaN makes all gradients of its norm NaN; infinity behaves as in Keras', async () => {
    const withOne = (value: number) => draw().map((g, k) => map(g, (x, i) => (k === 1 && i === 5 ? value : x)));
    const countNaN = async (options: ClipOptions, value: number) =>
      (await runClipped(device, options, withOne(value))).steps.map((step) => step.filter(Number.isNaN).length);
    const all = SHAPES.map((shape) => shape.reduce((a, b) => a * b, 1));
    expect(await countNaN({ clipNorm: 1 }, Number.NaN)).toEqual([0, 128, 0, 0]);
    expect(await countNaN({ globalClipNorm: 1 }, Number.NaN)).toEqual(all);
    expect(await countNaN({ clipValue: 1 }, Number.NaN)).toEqual([0, 1, 0, 0]);
    // inf * (1 / inf) is NaN; the other elements of that weight become 0.
    expect(await countNaN({ clipNorm: 1 }, Infinity)).toEqual([0, 1, 0, 0]);
    expect(await countNaN({ globalClipNorm: 1 }, -Infinity)).toEqual(all);
    const { steps } = await runClipped(device, { clipValue: 0.25 }, withOne(-Infinity));
    expect(steps[1]![5]).toBe(-0.25);
  });

  // The replicas of a weight follow each other, so blocks may begin and end anywhere: [7, 9] has 63 elements.
  test.each([{ clipNorm: 0.5 }, { globalClipNorm: 0.5 }])(
    'replicas have the bits of single models: %j',
    async (options) => {
      const replicas = 3;
      const steps = async (models: number, gradientsOf: (model: number) => readonly NdArray[]) => {
        const optimizer = new SGD({ learningRate: 1, ...options });
        const specs = SHAPES.map((shape, k) => ({
          name: `w${k}`,
          shape,
          initializer: zeros,
          layer: { trainable: k !== 2 },
        }));
        const store = new ParameterStore(device, specs, 0, models);
        const state = new StepState(device);
        optimizer.build(store);
        for (const [k, { offset }] of store.weights.entries()) {
          const all = Array.from({ length: models }, (_, model) => [...gradientsOf(model)[k]!.data]).flat();
          device.upload(store.gradients.storage, Float32Array.from(all), 4 * offset!);
        }
        state.write({ batchStart: 0, step: 1, rates: [{ stepSize: 1, rate: 1 }] });
        optimizer.apply(store, state);
        const result = await Promise.all(store.weights.map(({ tensor }) => tensor.data()));
        for (const owned of [state, optimizer, store]) owned.dispose();
        return result;
      };
      const gradientsOf = (model: number) =>
        SHAPES.map((shape, k) => map(drawLike(shape, 40 + 9 * model + k), (g) => Math.fround(g * 10 ** (1 - k))));
      const together = await steps(replicas, gradientsOf);
      for (let r = 0; r < replicas; r++) {
        for (const [k, alone] of (await steps(1, () => gradientsOf(r))).entries()) {
          expectSameBits(
            together[k]!.slice(r * alone.length, (r + 1) * alone.length),
            alone,
            `replica ${r}, weight ${k}`,
          );
          if (k !== 2) expect(alone.some((w) => w !== 0)).toBe(true);
        }
      }
    },
  );

  test('fit: clips by norm including the penalty, without layers frozen between two calls', async () => {
    using loader = new ImageLoader(device, drawImages(8, { classes: 3, shape: [4, 4, 1] }));
    const head = new Dense({ units: 3, activation: 'softmax' });
    const body = new Dense({ units: 5, kernelRegularizer: regularizers.l2(10) });
    const optimizer = new SGD({ learningRate: 1, globalClipNorm: 0.01 });
    using model = new Sequential([new Flatten({ inputShape: [4, 4, 1] }), body, head])
      .build(device)
      .compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
    const weights = async () => Promise.all(model.weights.map(async ({ tensor }) => Array.from(await tensor.data())));
    /** Length of a step, for each weight. */
    const step = async () => {
      const before = await weights();
      await model.fit(loader, { batchSize: 8 });
      return (await weights()).map((after, k) => Math.hypot(...after.map((w, i) => w - before[k]![i]!)));
    };
    const first = await step();
    expect(Math.hypot(...first)).toBeCloseTo(0.01, 6);
    body.trainable = false;
    const second = await step();
    expect(second.slice(0, 2)).toEqual([0, 0]);
    expect(Math.hypot(...second)).toBeCloseTo(0.01, 6);
  });

  // A recorded step keeps using the tables it was recorded with, even if others were created since.
  test.each([{ globalClipNorm: 0.01 }, { clipNorm: 0.01 }])(
    'in trainOnBatch, over several calls: %j',
    async (options) => {
      const x = Float32Array.from(drawLike([8, 30], 3).data);
      const y = Array.from({ length: 8 }, (_, i) => i % 3);
      const make = () => {
        const layers = [
          new Dense({ units: 50, inputShape: [30] }), // 24 blocks
          new Dense({ units: 3, activation: 'softmax' }),
        ];
        const optimizer = new SGD({ learningRate: 1, ...options });
        return new Sequential(layers).build(device).compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
      };
      const weights = async (model: Sequential) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));
      using single = make();
      using whole = make();
      const step = { epochs: 1, batchSize: 8, shuffle: false };
      const same = async (what: string) => expect(await weights(single), what).toEqual(await weights(whole));
      for (let i = 1; i <= 3; i++) {
        await single.trainOnBatch(x, y);
        await whole.fit({ x, y }, step);
        await same(`step ${i}`);
      }
      // Records with other frozen weights between two runs of the same step.
      for (const model of [single, whole]) model.layers[0]!.trainable = false;
      await single.fit({ x, y }, step);
      await whole.fit({ x, y }, step);
      for (const model of [single, whole]) model.layers[0]!.trainable = true;
      await single.trainOnBatch(x, y);
      await whole.fit({ x, y }, step);
      await same('after others');
    },
  );
});

test.each([SGD, Adam, AdamW, RMSprop].map((Optimizer) => [Optimizer.name, Optimizer] as const))(
  '%s: throws for impossible limits',
  (_name, Optimizer) => {
    expect(() => new Optimizer({ clipNorm: 0 })).toThrow(ArgumentError);
    expect(() => new Optimizer({ clipValue: Number.NaN })).toThrow(new RegExp(`${Optimizer.name}: clipValue`));
    expect(() => new Optimizer({ globalClipNorm: 1, clipNorm: 1 })).toThrow(/only one of/);
    expect(new Optimizer({ globalClipNorm: 1 }).iterations).toBe(0);
  },
);
