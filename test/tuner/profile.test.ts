import { expect, test } from 'vitest';
import { lenet } from '../../experiments/lenet.ts';
import { choiceKey } from '../../src/gpu/kernel-selection.ts';
import { timeProgram } from '../../src/gpu/timing.ts';
import {
  ArgumentError,
  ArrayLoader,
  add,
  BatchNormalization,
  Conv2D,
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
/** Fixed, so that no test measures them. */
const ceilings = { fmaGflops: 100, copyGBs: 10 };

/** FLOP of a convolution of LeNet-5: 2 N OH OW Co KH KW Ci. */
const conv = (size: number, out: number, channels: number) => 2 * BATCH * size * size * out * 5 * 5 * channels;
const dense = (inputs: number, units: number) => 2 * BATCH * inputs * units;

describeOnDevice('profile of a training step', (device) => {
  async function profileLenet(): Promise<Profile> {
    const loader = new ImageLoader(device, drawImages(20, { shape: [32, 32, 3], classes: 10 }));
    const model = lenet().createModel() as Sequential;
    model.build(device).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const profile = await profileStep(model, loader, { batchSize: BATCH, seconds: 0.01, ceilings });
    model.dispose();
    loader.dispose();
    return profile;
  }

  test('LeNet-5: every dispatch moves bytes, the main ones have the FLOP of the formulas, and the rows add up', async () => {
    const { step, dispatches, kernels } = await profileLenet();
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
      bytesUploaded: 32,
      flops: total('flops', dispatches),
      bytesMoved: total('bytes', dispatches),
    });
    // The batch and the output of the first layer exist at the same time.
    expect(step.peakBytes).toBeGreaterThan(4 * BATCH * (32 * 32 * 3 + 28 * 28 * 6));
    expect(step.peakBytes).toBeLessThan(step.bytesMoved);
  });

  test('LeNet-5: each dispatch names its layer, its pass and the variants chosen for it', async () => {
    const { dispatches } = await profileLenet();
    const of = (layer: string | null, backward: boolean) =>
      dispatches.filter((one) => one.layer === layer && one.backward === backward);
    const operators = (layer: string | null, backward: boolean) => [
      ...new Set(of(layer, backward).map(({ choices }) => choices[0]?.operator ?? null)),
    ];
    expect(operators('conv2d', false)).toEqual(['conv2d']);
    expect(operators('conv2d', true)).toEqual(['conv2dWeightGrad']); // the images need no gradient
    expect(operators('conv2d_1', true)).toEqual(['conv2dWeightGrad', 'conv2dInputGrad']);
    expect(of('max_pooling2d', false).map(({ kernel, choices }) => [kernel, choices])).toEqual([
      ['max_pool2d_vec2', []],
    ]);
    expect(of('max_pooling2d', true).map(({ choices }) => choices)).toEqual([[]]);
    expect(of('flatten', false)).toEqual([]); // a view
    expect(operators('dense_2', false)).toEqual(['matmul']);
    const sizes = { m: BATCH, n: 10, k: 84, transposeA: 0, transposeB: 0, batch: 1 };
    expect(of('dense_2', false)[0]!.choices[0]).toMatchObject({ operator: 'matmul', sizes });
    // Loss and optimizer belong to no layer, and a choice ends before later dispatches.
    expect(operators(null, false)).toContain('softmaxCrossEntropy');
    expect(of(null, false).find(({ kernel }) => kernel.startsWith('adam'))!.choices).toEqual([]);
    const layers = new Set(dispatches.map(({ layer }) => layer));
    expect([...layers].sort()).toEqual(
      [null, 'conv2d', 'conv2d_1', 'dense', 'dense_1', 'dense_2', 'max_pooling2d', 'max_pooling2d_1'].sort(),
    );
    expect(device.origin).toEqual({ layer: null, backward: false, choices: [] });
  });

  test('a convolution that runs as a matrix product has both choices; the reference also has its reduction', async () => {
    const loader = new ArrayLoader(device, {
      ...{ x: new Float32Array(2 * 48), y: new Float32Array(2 * 80) },
      ...{ shape: [4, 4, 3], targetShape: [4, 4, 5] },
    });
    const weightGrad = async () => {
      const layers = [new Conv2D({ filters: 5, kernelSize: 1, inputShape: [4, 4, 3] })];
      using model = new Sequential(layers).build(device).compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { dispatches } = await profileStep(model, loader, { batchSize: 2, seconds: 0.01, ceilings });
      const all = dispatches.map(({ choices }) => choices);
      return all.filter(([first]) => first?.operator === 'conv2dWeightGrad');
    };
    const operators = (choices: Profile['dispatches'][number]['choices']) => choices.map(({ operator }) => operator);
    try {
      const [problem] = (await weightGrad())[0]!;
      const key = choiceKey('conv2dWeightGrad', problem!.sizes);
      device.choices.tuned.set(key, 'matmul');
      const product = await weightGrad();
      expect(product.map(operators)).toContainEqual(['conv2dWeightGrad', 'matmul']);
      expect(new Set(product.map(([first]) => first!.variant))).toEqual(new Set(['matmul']));
      device.choices.tuned.set(key, 'naive');
      const reference = await weightGrad();
      expect(reference.map(operators)).toEqual([['conv2dWeightGrad', 'reduceSum'], ['conv2dWeightGrad']]);
      expect(new Set(reference.map(([first]) => first!.variant))).toEqual(new Set(['naive']));
    } finally {
      device.choices.tuned.clear();
      loader.dispose();
    }
  });

  test('bytes are those that a kernel reads and writes; an array updated in place counts twice', async () => {
    const { dispatches } = await profileLenet();
    const of = (name: string) => dispatches.find(({ kernel }) => kernel.startsWith(name))!;
    const weights = Number(/^\[(\d+)\]/.exec(of('adam').shapes)![1]);
    expect(weights).toBeGreaterThan(62_006);
    expect(of('adam').bytes).toBe(4 * 7 * weights); // reads g w m v, writes w m v
    // Of the 20 images on the GPU a batch is read, four bytes to the word.
    expect(of('gather_images').bytes).toBe(BATCH * 3072 + 12 * BATCH + 4 * BATCH * 3072);
    expect(of('max_pool2d').bytes).toBe(4 * BATCH * 6 * (28 * 28 + 2 * 14 * 14));
  });

  test('profileStep: weights, optimizer state and running statistics are restored', async () => {
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

  test('profileStep: does not change whether a model was trained, so its replicas start with different weights', async () => {
    const loader = new ImageLoader(device, drawImages(20, { shape: [4, 4, 1], classes: 3 }));
    const replicas = async (isProfiled: boolean) => {
      const layers = [new Flatten({ inputShape: [4, 4, 1] }), new Dense({ units: 3, activation: 'softmax' })];
      using model = new Sequential(layers).build(device, { seed: 3 });
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
      if (isProfiled) await profileStep(model, loader, { batchSize: 5, seconds: 0.01, ceilings });
      await model.fit(loader, { batchSize: 5, replicas: 2 });
      return [...(await model.weights[0]!.tensor.data())];
    };
    expect(await replicas(true)).toEqual(await replicas(false));
    loader.dispose();
  });

  test('without timestamps each dispatch is timed alone, with the given clock', async () => {
    using x = tensor(device, [1, 2], [2]);
    const program = device.record(() => void add(add(x, x), x));
    let calls = 0;
    const now = () => ++calls; // the clock advances by a millisecond at each read
    const features = new Set(device.gpu.features);
    features.delete('timestamp-query');
    const gpu = new Proxy(device.gpu, {
      get: (target, key) => (key === 'features' ? features : Reflect.get(target, key)),
    });
    const blind = new Proxy(device, { get: (target, key) => (key === 'gpu' ? gpu : boundMember(target, key)) });
    const timing = await timeProgram(blind, program, { seconds: 1, now });
    // A wait takes a millisecond, and so does each measurement: as many as the budget allows.
    expect(timing).toMatchObject({ clock: 'serialised', reason: 'the adapter has no timestamps', programMs: 0.2 });
    expect(timing.ms).toEqual([1 / 2000, 1 / 2000]);
    program.dispose();
  });

  test('profileProgram: throws ArgumentError for a program without dispatches', async () => {
    const program = device.record(() => {});
    await expect(profileProgram(device, program, { ceilings })).rejects.toThrow(ArgumentError);
    program.dispose();
  });
});

/** A property of the object behind a proxy, methods with their own `this`. */
function boundMember(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key, target) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}
