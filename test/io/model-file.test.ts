import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Activation,
  Adam,
  Add,
  ArgumentError,
  BatchNormalization,
  type CallContext,
  Concatenate,
  Conv2D,
  DataError,
  Dense,
  type Device,
  Dropout,
  decodeModel,
  decodeSafetensors,
  decodeWeights,
  encodeModel,
  encodeSafetensors,
  FileError,
  Flatten,
  GlobalAveragePooling2D,
  ImageLoader,
  initializers,
  input,
  Lambda,
  Layer,
  type LayerOptions,
  loadModel,
  loadSafetensors,
  loadWeights,
  Model,
  mul,
  Sequential,
  type Shape,
  saveModel,
  saveSafetensors,
  saveWeights,
  type Tensor,
} from '../../src/node.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-io-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const pathOf = (name: string) => join(root, name);

const loss = 'sparseCategoricalCrossentropy';
const shape: [number, number, number] = [6, 6, 2];
const images = drawImages(12, { shape, classes: 3 });

const outputs = (model: Model, loader: ImageLoader) => model.predict(loader, { batchSize: 4 });

/** Multiplies by a weight. */
class Scale extends Layer {
  readonly kind = 'Scale';
  private readonly start: number;
  constructor(options: LayerOptions & { start: number }) {
    super(options);
    this.start = options.start;
  }
  plan(inputShape: Shape) {
    return {
      outputShape: inputShape,
      weights: [{ name: 'factor', shape: inputShape, initializer: initializers.constant(this.start) }],
    };
  }
  call(x: Tensor, { weights: [factor] }: CallContext): Tensor {
    return mul(x, factor!);
  }
}

/** Branches, a layer used twice, a nested model, moving statistics, a custom layer. */
function network(): Model {
  const x = input(shape);
  const convolution = new Conv2D({ filters: 2, kernelSize: 3, padding: 'same', activation: 'relu' });
  const sum = new Add().apply([convolution.apply(convolution.apply(x)), x]);
  const head = new Sequential([
    new BatchNormalization({ inputShape: shape, momentum: 0.5 }),
    new Flatten(),
    new Dense({ units: 4, activation: 'tanh', trainable: false }),
    new Dropout(0.5),
  ]);
  const both = new Concatenate().apply([head.apply(sum), new GlobalAveragePooling2D().apply(x)]);
  const scaled = new Scale({ start: 2 }).apply(both);
  return new Model({ inputs: x, outputs: new Dense({ units: 3, activation: 'softmax' }).apply(scaled), name: 'net' });
}

const small = (units = 3, inputs = 4) =>
  new Sequential([new Dense({ units, inputShape: [inputs] }), new Activation('relu'), new Dense({ units: 2 })]);
const valuesOf = (model: Model) => Promise.all(model.weights.map(async ({ tensor }) => [...(await tensor.data())]));

describeOnDevice('model files', (device: Device) => {
  test('loadModel: a trained model predicts the same bits, and can be trained further', async () => {
    const loader = new ImageLoader(device, images);
    const model = network().build(device, { seed: 3 });
    model.compile({ optimizer: new Adam({ learningRate: 0.05 }), loss });
    await model.fit(loader, { epochs: 2, batchSize: 4, seed: 1 });
    const path = pathOf('model.safetensors');
    await saveModel(model, path);
    const loaded = loadModel(path, device, { customLayers: { Scale } });
    expect(loaded.summary()).toBe(model.summary());
    expect(loaded.weights.map(({ name }) => name)).toEqual(model.weights.map(({ name }) => name));
    const expected = await outputs(model, loader);
    expectSameBits(await outputs(loaded, loader), expected);
    expect(new Set(expected).size).toBeGreaterThan(12);
    const retrain = async (one: Model) => {
      one.compile({ optimizer: new Adam(), loss });
      return (await one.fit(loader, { epochs: 1, batchSize: 4, seed: 2 })).epochs[0]!.loss;
    };
    expect(await retrain(loaded)).toBe(await retrain(model));
    expectSameBits(await outputs(loaded, loader), await outputs(model, loader));
    expect(() => loadModel(path, device)).toThrow(ArgumentError);
    expect(() => loadModel(path, device)).toThrow(/model\.safetensors: layer "scale" is a Scale.*customLayers/);
    for (const one of [model, loaded, loader]) one.dispose();
  });

  test('loadWeights: loads by name, also from a file of the safetensors package', async () => {
    const [from, to] = [small().build(device, { seed: 1 }), small().build(device, { seed: 2 })];
    const path = pathOf('weights.safetensors');
    await saveWeights(from, path);
    expect([...loadSafetensors(path).tensors.keys()]).toEqual(from.weights.map(({ name }) => name));
    expect(loadWeights(to, path)).toEqual(['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias']);
    expect(await valuesOf(to)).toEqual(await valuesOf(from));
    const tensors = [...loadSafetensors(path).tensors].reverse();
    const doubles = tensors.map(
      ([name, { shape, data }]) =>
        [name, { shape, data: Float64Array.from(data as Float32Array, (v) => 2 * v) }] as const,
    );
    saveSafetensors(path, doubles, { format: 'pt' });
    loadWeights(to, path);
    expect(await valuesOf(to)).toEqual((await valuesOf(from)).map((values) => values.map((v) => 2 * v)));
    for (const one of [from, to]) one.dispose();
  });

  test('loadWeights: byName loads the common weights, prefix the weights of a part of a larger model', async () => {
    const from = small().build(device, { seed: 1 });
    const path = pathOf('part.safetensors');
    await saveWeights(from, path);
    const other = new Sequential([
      new Dense({ units: 3, inputShape: [4] }),
      new Dense({ units: 7, name: 'head' }),
    ]).build(device, { seed: 5 });
    const before = await valuesOf(other);
    expect(loadWeights(other, path, { byName: true })).toEqual(['dense/kernel', 'dense/bias']);
    const after = await valuesOf(other);
    expect(after.slice(0, 2)).toEqual((await valuesOf(from)).slice(0, 2));
    expect(after.slice(2)).toEqual(before.slice(2));
    const base = new Sequential(small().layers, 'base');
    const larger = new Sequential([base, new Dense({ units: 2 })]).build(device, { seed: 6 });
    expect(loadWeights(larger, path, { prefix: 'base/' })).toHaveLength(4);
    expect((await valuesOf(larger)).slice(0, 4)).toEqual(await valuesOf(from));
    expect(() => loadWeights(larger, path, { prefix: 'bas/' })).toThrow(/no weight's name begins with "bas\/".*base\//);
    expect(() => loadWeights(larger, path, { byName: true, prefix: 'dense/' })).toThrow(/no weight names in common/);
    for (const one of [from, other, larger]) one.dispose();
  });

  test('loadModel: loads all replicas or one; a single model can be replicated afterwards', async () => {
    const from = small().build(device, { seed: 1, replicas: 3 });
    const path = pathOf('replicas.safetensors');
    await saveModel(from, path);
    expect(loadSafetensors(path).tensors.get('dense/kernel')!.shape).toEqual([3, 4, 3]);
    const all = await valuesOf(from);
    const part = (r: number) =>
      all.map((values) => values.slice((r * values.length) / 3, ((r + 1) * values.length) / 3));
    const loaded = loadModel(path, device);
    expect(loaded.replicas).toBe(3);
    expect(await valuesOf(loaded)).toEqual(all);
    const second = loadModel(path, device, { replica: 1 });
    expect(second.replicas).toBe(1);
    expect(await valuesOf(second)).toEqual(part(1));
    loadWeights(second, path, { replica: 2, byName: true });
    expect(await valuesOf(second)).toEqual(part(2));
    // replicate() keeps weights that were loaded.
    second.replicate(2);
    expect(await valuesOf(second)).toEqual(part(2).map((values) => [...values, ...values]));
    expect(() => loadWeights(second, path)).toThrow(DataError);
    expect(() => loadWeights(second, path)).toThrow(/holds 3 replicas, but the model sequential has 2.*\{ replica \}/);
    expect(() => loadWeights(second, path, { replica: 3 })).toThrow(ArgumentError);
    expect(() => loadModel(path, device, { replica: -1 })).toThrow(/from 0 to 2/);
    await saveWeights(loadModel(path, device, { replica: 0 }), path);
    loadWeights(from, path);
    expect(await valuesOf(from)).toEqual(part(0).map((values) => [...values, ...values, ...values]));
    for (const one of [from, loaded, second]) one.dispose();
  });

  test('loadModel: options that differ between replicas are loaded for all replicas, or for the one that is loaded', async () => {
    const rates = [0.1, 0.5, 0];
    const layersOf = (r: number | null) => {
      const valueFor = (list: number[]) => (r === null ? list : list[r]!);
      return [
        new Dense({
          units: 3,
          kernelRegularizer: { l1: valueFor([0, 0, 0.1]), l2: valueFor([0.2, 0, 0]) },
          inputShape: [4],
        }),
        new Dropout(valueFor(rates)),
        new Dense({ units: 2, activation: 'softmax', kernelRegularizer: 'l2' }),
      ];
    };
    const compile = (model: Model) => model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const train = async (model: Model, seed: number | number[]) => {
      compile(model);
      const x = Array.from({ length: 24 }, (_, i) => Math.cos(i));
      return model.fit({ x: new Float32Array(x), y: [0, 1, 1, 0, 1, 0] }, { batchSize: 3, epochs: 2, seed });
    };
    const from = new Sequential(layersOf(null)).build(device, { seed: [1, 8, 4] });
    const path = pathOf('own-numbers.safetensors');
    await saveModel(from, path);
    const loadedAll = loadModel(path, device);
    const { replicas } = await train(loadedAll, [5, 3, 9]);
    for (const [r, seed] of [5, 3, 9].entries()) {
      const loaded = loadModel(path, device, { replica: r });
      const alone = new Sequential(layersOf(r)).build(device, { seed: [1, 8, 4][r]! });
      expect(await valuesOf(loaded)).toEqual(await valuesOf(alone));
      const expected = await train(alone, seed);
      expect((await train(loaded, seed)).epochs.map(({ loss }) => loss)).toEqual(
        expected.epochs.map(({ loss }) => loss),
      );
      expect(replicas[r]!.map(({ loss }) => loss)).toEqual(expected.epochs.map(({ loss }) => loss));
      expect(await valuesOf(loaded)).toEqual(await valuesOf(alone));
      for (const one of [loaded, alone]) one.dispose();
    }
    // A file with a list that is too short.
    const { tensors, metadata } = loadSafetensors(path);
    const shorter = encodeSafetensors(tensors, { ...metadata, model: metadata.model!.replace('[0.1,0.5,0]', '[0.1]') });
    expect(() => decodeModel(shorter, device, { replica: 2 }, 'm')).toThrow(DataError);
    expect(() => decodeModel(shorter, device, { replica: 2 }, 'm')).toThrow(/m: .*\[0\.1\] .* none for replica 2/);
    for (const one of [from, loadedAll]) one.dispose();
  });

  test('loadModel, loadWeights: throw if the tensors do not have the stated number of replicas, before anything is built', async () => {
    const model = small().build(device);
    const { tensors, metadata } = decodeSafetensors(await encodeModel(model));
    const { buffersCreated } = device.counters;
    for (const replicas of ['3', '99999999999']) {
      const bytes = encodeSafetensors(tensors, { ...metadata, replicas });
      for (const options of [{}, { replica: 2 }]) {
        const load = () => decodeModel(bytes, device, options, 'm');
        expect(load).toThrow(DataError);
        expect(load).toThrow(
          `m says that it holds ${replicas} replicas, but the first axis of dense/kernel [4,3] is not`,
        );
        expect(() => decodeWeights(model, bytes, options, 'm')).toThrow(`m says that it holds ${replicas} replicas`);
      }
    }
    expect(device.counters.buffersCreated).toBe(buffersCreated);
    model.dispose();
  });

  test('loadWeights: throws for a file of another architecture, lists the differences, and changes nothing', async () => {
    const model = small().build(device, { seed: 1 });
    const path = pathOf('other.safetensors');
    const other = new Sequential([new Dense({ units: 3, inputShape: [5] }), new Dense({ units: 2, name: 'end' })]);
    await saveWeights(other.build(device, { seed: 2 }), path);
    const before = await valuesOf(model);
    const says =
      /other\.safetensors does not fit the model sequential: the file lacks dense_1\/kernel, dense_1\/bias; the model lacks end\/kernel, end\/bias; of another shape dense\/kernel \(\[5,3\] in the file, \[4,3\] in the model\)/;
    expect(() => loadWeights(model, path)).toThrow(DataError);
    expect(() => loadWeights(model, path)).toThrow(says);
    expect(() => loadWeights(model, path, { byName: true })).toThrow(
      /model sequential: of another shape dense\/kernel/,
    );
    expect(await valuesOf(model)).toEqual(before);
    for (const one of [model, other]) one.dispose();
  });

  test('loadModel: throws for files that are truncated, of another version, without a model or with other weights', async () => {
    const model = small().build(device);
    const whole = await encodeModel(model);
    const { tensors, metadata } = decodeSafetensors(whole);
    const file = (changes: Record<string, string>, arrays: Parameters<typeof encodeSafetensors>[0] = tensors) =>
      encodeSafetensors(arrays, { ...metadata, ...changes });
    const integers = [...tensors].map(
      ([name, { shape, data }]) => [name, { shape, data: Int32Array.from(data as Float32Array) }] as const,
    );
    const cases: [bytes: Uint8Array, error: typeof DataError | typeof ArgumentError, says: RegExp][] = [
      [whole.slice(0, -1), DataError, /^m is cut short/],
      [file({ version: '2' }), DataError, /^m is of version "2".*reads version 1/],
      [file({ format: 'pt' }), DataError, /^m holds 4 tensors, but no model.*loadWeights/],
      [file({ model: '{' }), DataError, /^m: .*JSON/],
      [file({ model: '{}' }), DataError, /^m: a layer needs className/],
      [
        file({}, [...tensors].slice(1)),
        DataError,
        /^m does not fit the model sequential: the file lacks dense\/kernel$/,
      ],
      [file({}, integers), DataError, /not floats dense\/kernel \(i32\)/],
    ];
    for (const [bytes, error, says] of cases) {
      expect(() => decodeModel(bytes, device, {}, 'm')).toThrow(error);
      expect(() => decodeModel(bytes, device, {}, 'm')).toThrow(says);
    }
    const { buffersCreated } = device.counters;
    expect(() => decodeModel(file({}, integers), device)).toThrow(/not floats/);
    expect(device.counters.buffersCreated, 'what a model that was not loaded took is given back').toBe(buffersCreated);
    model.dispose();
  });

  test('FileError for a file that cannot be written or read; a model that cannot be saved leaves the old file', async () => {
    const model = small().build(device);
    writeFileSync(pathOf('file'), 'old');
    await expect(saveWeights(model, pathOf('file/x'))).rejects.toThrow(FileError);
    expect(() => loadWeights(model, pathOf('nowhere'))).toThrow(/cannot read .*nowhere: there is no such file/);
    truncateSync(pathOf('file'));
    expect(() => loadModel(pathOf('file'), device)).toThrow(/file is cut short/);
    const lambda = new Sequential([new Lambda((x) => x, { inputShape: [2] })]).build(device);
    writeFileSync(pathOf('file'), 'old');
    await expect(saveModel(lambda, pathOf('file'))).rejects.toThrow(/saveWeights/);
    expect(readFileSync(pathOf('file'), 'utf8')).toBe('old');
    expect(readdirSync(root).filter((name) => name.includes('tmp'))).toEqual([]);
    await expect(saveModel(small(), pathOf('file'))).rejects.toThrow(/build\(device\) comes first/);
    for (const one of [model, lambda]) one.dispose();
  });
});
