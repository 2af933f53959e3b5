import { expect, test } from 'vitest';
import { lenet } from '../../experiments/lenet.ts';
import { timeProgram } from '../../src/gpu/timing.ts';
import {
  ArgumentError,
  add,
  BatchNormalization,
  Dense,
  Dropout,
  Flatten,
  ImageLoader,
  type Profile,
  profileProgram,
  profileStep,
  Sequential,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const BATCH = 8;
/** Given, so that no test measures them. */
const ceilings = { fmaGflops: 100, copyGBs: 10 };

/** FLOP of a convolution of LeNet-5: 2 N OH OW Co KH KW Ci. */
const conv = (size: number, out: number, channels: number) => 2 * BATCH * size * size * out * 5 * 5 * channels;
const dense = (inputs: number, units: number) => 2 * BATCH * inputs * units;

describeOnDevice('the profile of a training step', (device) => {
  async function profiled(): Promise<Profile> {
    const loader = new ImageLoader(device, drawImages(20, { shape: [32, 32, 3], classes: 10 }));
    const model = lenet().createModel() as Sequential;
    model.build(device).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const profile = await profileStep(model, loader, { batchSize: BATCH, seconds: 0.01, ceilings });
    model.dispose();
    loader.dispose();
    return profile;
  }

  test('LeNet-5: every dispatch moves bytes, the hot ones have the FLOP of the formulas, the rows add up', async () => {
    const { step, dispatches, kernels } = await profiled();
    expect(dispatches.filter(({ bytes }) => !(bytes > 0))).toEqual([]);
    expect(dispatches.filter(({ shapes, ms }) => shapes === '' || !(ms >= 0))).toEqual([]);

    const hot = dispatches.filter(({ kernel }) => /^(conv2d|matmul)/.test(kernel)).map(({ flops }) => flops);
    const [conv1, conv2] = [conv(28, 6, 3), conv(10, 16, 6)];
    const layers = [dense(400, 120), dense(120, 84), dense(84, 10)];
    // Forward, weight gradient and input gradient; no gradient for the images.
    const expected = [conv1, conv1, ...[conv2, ...layers].flatMap((flops) => [flops, flops, flops])];
    expect(hot.filter((flops) => flops > 0).sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));

    type Row = { flops: number; bytes: number; ms: number; calls?: number };
    const total = (key: 'flops' | 'bytes' | 'ms', rows: Row[]) =>
      rows.reduce((sum, row) => sum + row[key] * (key === 'ms' ? 1 : (row.calls ?? 1)), 0);
    for (const key of ['flops', 'bytes', 'ms'] as const)
      expect(total(key, kernels)).toBeCloseTo(total(key, dispatches), 6);
    expect(kernels.reduce((sum, { calls }) => sum + calls, 0)).toBe(dispatches.length);
    expect(kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(step).toMatchObject({
      dispatches: dispatches.length,
      submits: 1,
      createdObjects: 0,
      bytesUploaded: 16,
      flops: total('flops', dispatches),
      bytesMoved: total('bytes', dispatches),
    });
    // The batch, and what the first layer makes of it, live at once.
    expect(step.peakBytes).toBeGreaterThan(4 * BATCH * (32 * 32 * 3 + 28 * 28 * 6));
    expect(step.peakBytes).toBeLessThan(step.bytesMoved);
  });

  test('bytes are what a kernel reads and writes, an array updated in place counting twice', async () => {
    const { dispatches } = await profiled();
    const of = (name: string) => dispatches.find(({ kernel }) => kernel.startsWith(name))!;
    const weights = Number(/^\[(\d+)\]/.exec(of('adam').shapes)![1]);
    expect(weights).toBeGreaterThan(62_006);
    expect(of('adam').bytes).toBe(4 * 7 * weights); // reads g w m v, writes w m v
    // Of the 20 images on the GPU a batch is read, four bytes to the word.
    expect(of('gather_images').bytes).toBe(BATCH * 3072 + 12 * BATCH + 4 * BATCH * 3072);
    expect(of('max_pool2d').bytes).toBe(4 * BATCH * 6 * (28 * 28 + 2 * 14 * 14));
  });

  test('weights, optimiser state and running statistics are the same afterwards', async () => {
    const loader = new ImageLoader(device, drawImages(20, { shape: [4, 4, 1], classes: 3 }));
    const train = async (profiled: boolean) => {
      const layers = [
        new Flatten({ inputShape: [4, 4, 1] }),
        new Dense({ units: 5 }),
        new BatchNormalization(),
        new Dropout(0.2),
        new Dense({ units: 3, activation: 'softmax' }),
      ];
      using model = new Sequential(layers).build(device, { seed: 3 });
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
      await model.fit(loader, { batchSize: 5, seed: 1 });
      const before = await weightsOf(model);
      if (profiled) await profileStep(model, loader, { batchSize: 5, seconds: 0.01, ceilings });
      expect(await weightsOf(model)).toEqual(before);
      await model.fit(loader, { batchSize: 5, seed: 2 });
      return await weightsOf(model);
    };
    const weightsOf = async (model: Sequential) => {
      const all: number[][] = [];
      for (const { tensor } of model.weights) all.push([...(await tensor.data())]);
      return all;
    };
    expect(await train(true)).toEqual(await train(false));
    loader.dispose();
  });

  test('without timestamps each dispatch is timed alone, by the clock that is given', async () => {
    using x = tensor(device, [1, 2], [2]);
    const program = device.record(() => void add(add(x, x), x));
    let calls = 0;
    const now = () => ++calls; // every look at the clock is a millisecond after the last
    const features = new Set(device.gpu.features);
    features.delete('timestamp-query');
    const gpu = new Proxy(device.gpu, {
      get: (target, key) => (key === 'features' ? features : Reflect.get(target, key)),
    });
    const blind = new Proxy(device, { get: (target, key) => (key === 'gpu' ? gpu : bound(target, key)) });
    const timing = await timeProgram(blind, program, { seconds: 1, now });
    // A wait is a millisecond there, and so is everything that is waited for: as often as the budget allows.
    expect(timing).toMatchObject({ clock: 'serialised', reason: 'the adapter has no timestamps', programMs: 0.2 });
    expect(timing.ms).toEqual([1 / 2000, 1 / 2000]);
    program.dispose();
  });

  test('a program without dispatches has no profile', async () => {
    const program = device.record(() => {});
    await expect(profileProgram(device, program, { ceilings })).rejects.toThrow(ArgumentError);
    program.dispose();
  });
});

/** A property of the object behind a proxy, methods with their own `this`. */
function bound(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key, target) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}
