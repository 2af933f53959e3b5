import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layersInKerasOrder } from '../../../src/io/keras/layer-order.ts';
import {
  Add,
  BatchNormalization,
  Conv2D,
  DataError,
  Dense,
  Dropout,
  decodeKerasWeights,
  decodeModel,
  decodeWeights,
  GlobalAveragePooling2D,
  input,
  loadKerasWeights,
  Model,
  mobileNetV2,
  readKerasWeights,
  Sequential,
} from '../../../src/node.ts';
import { kerasWeights, unpacked } from '../../golden/files/files.ts';
import { describeOnDevice } from '../../support/device.ts';
import { h5File } from './made-files.ts';

/** Element j of tensor k of the fixtures: see make_keras_weights.py. */
const pattern = (k: number, size: number) => Float32Array.from({ length: size }, (_, j) => k + (j % 251) / 256);
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const tiny = () => mobileNetV2({ alpha: 0.05, inputShape: [32, 32, 3], includeTop: false });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-keras-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
};

test('readKerasWeights: returns the layers of the old MobileNetV2 layout in order, with names, shapes and values', async () => {
  const { file, weights } = kerasWeights.mobilenet;
  const layers = await readKerasWeights(unpacked(file));
  expect(layers).toHaveLength(104);
  expect(layers.slice(0, 5).map(({ name }) => name)).toEqual([
    'Conv1',
    'bn_Conv1',
    'mobl0_conv_0_depthwise',
    'bn0_conv_0_bn_depthwise',
    'mobl0_conv_0_project',
  ]);
  const read = layers.flatMap((layer) => layer.weights);
  expect(read.map(({ name, shape }) => [name, shape])).toEqual(weights);
  for (const [k, { data, dtype }] of read.entries()) {
    expect(dtype).toBe('f32');
    expect(data).toEqual(pattern(k, data.length));
  }
});

test('readKerasWeights: reads 16, 32 and 64-bit floats, big-endian and compressed ones, and names split into parts', async () => {
  const bytes = unpacked(kerasWeights.types.file);
  expect(await readKerasWeights(bytes)).toEqual([
    {
      name: 'first',
      weights: [
        { name: 'first/kernel', shape: [2, 3], dtype: 'f32', data: pattern(1, 6) },
        { name: 'first/bias', shape: [3], dtype: 'f32', data: pattern(2, 3) },
      ],
    },
    {
      name: 'second',
      weights: [
        { name: 'second/kernel', shape: [3, 2], dtype: 'f32', data: pattern(3, 6) },
        { name: 'second/bias', shape: [2], dtype: 'f32', data: pattern(4, 2) },
      ],
    },
  ]);
  expect(bytes).toEqual(unpacked(kerasWeights.types.file)); // unchanged, although the HDF5 library gets the bytes themselves
});

test("readKerasWeights: reads Keras 3's .weights.h5 without optimizer and seeds", async () => {
  const layers = await readKerasWeights(unpacked(kerasWeights.inner.file));
  expect(layers.map(({ name, weights }) => [name, weights.length])).toEqual([
    ['layers/dense', 2],
    ['layers/dense_1', 2],
    ['layers/dense_2', 2],
    ['layers/sequential/layers/batch_normalization', 4],
    ['layers/sequential/layers/dense', 2],
  ]);
  expect(layers[2]!.weights[1]).toEqual({ name: '1', shape: [1], dtype: 'f32', data: pattern(11, 1) });
});

test("layersInKerasOrder: orders branches by depth, as Keras's model.layers", () => {
  // In Keras: input, long_1, long_2, short (as deep as long_2, but met after it), sum, head. Here `short` was applied first.
  const conv = (name: string) => new Conv2D({ filters: 2, kernelSize: 1, name });
  const x = input([4, 4, 2]);
  const short = conv('short').apply(x);
  const long = conv('long_2').apply(conv('long_1').apply(x));
  const sum = new Add({ name: 'sum' }).apply([long, short]);
  const model = new Model({ inputs: x, outputs: new GlobalAveragePooling2D({ name: 'head' }).apply(sum) });
  expect(model.plannedLayers.map(({ name }) => name)).toEqual(['short', 'long_1', 'long_2', 'sum', 'head']);
  expect(layersInKerasOrder(model).map(({ name }) => name)).toEqual(['long_1', 'long_2', 'short', 'sum', 'head']);
});

test('decodeKerasWeights: throws before it changes anything, and names the difference', async () => {
  const { file } = kerasWeights.mobilenet;
  expect(await refusal(decodeKerasWeights(tiny(), unpacked(kerasWeights.types.file), {}, 'other.h5'))).toMatch(
    /^other\.h5 does not fit the model mobilenetv2: the file has 2 layers with weights, the model 104; the first that differ are the model's Conv1 \(\[3,3,3,8\]\) and the file's first \(\[2,3\], \[3\]\)$/,
  );
  const wide = mobileNetV2({ alpha: 0.35, inputShape: [32, 32, 3], includeTop: false });
  const message = await refusal(decodeKerasWeights(wide, unpacked(file), {}, 'w.h5'));
  expect(message).toContain(
    'w.h5 does not fit the model mobilenetv2: Conv1/kernel is [3,3,3,16] in the model, /Conv1/Conv1/kernel:0 [3,3,3,8] in the file;',
  );
  expect(message).toMatch(/; and \d+ more differences$/);
  const head = new Sequential([new Dense({ units: 3, inputShape: [2] }), new Dense({ units: 2, useBias: false })]);
  expect(await refusal(decodeKerasWeights(head, unpacked(kerasWeights.types.file)))).toContain(
    "the model's layer dense_1 has 1 weights, the file's second 2",
  );
  const other = new Sequential([
    new Dense({ units: 3, inputShape: [2] }),
    new Dense({ units: 3 }),
    new Dense({ units: 3 }),
  ]);
  expect(await refusal(decodeKerasWeights(other, unpacked(kerasWeights.inner.file)))).toContain(
    'the model lacks layers/sequential/layers/batch_normalization, layers/sequential/layers/dense; dense_2/kernel is [3,3] in the model, ' +
      '/layers/dense_2/vars/0 [4,1] in the file',
  );
});

test("decodeKerasWeights: assigns the weights of a nested model in Keras's order if the names do not identify them", async () => {
  // Trained weights first, then those of the frozen batch norm and all moving statistics.
  const order = ['d/kernel', 'd/bias', 'b2/gamma', 'b2/beta'];
  order.push('b1/gamma', 'b1/beta', 'b1/moving_mean', 'b1/moving_variance', 'b2/moving_mean', 'b2/moving_variance');
  const bytes = await h5File(({ root }) => {
    root.create_attribute('layer_names', ['inner']);
    const inner = root.create_group('inner');
    inner.create_attribute(
      'weight_names',
      order.map((_, k) => `w${k}`),
    );
    for (const [k, name] of order.entries()) {
      const shape = name === 'd/kernel' ? [2, 2] : [2];
      inner.create_dataset({ name: `w${k}`, data: pattern(k, size(shape)), shape });
    }
  });
  const inner = new Sequential(
    [
      new BatchNormalization({ name: 'b1', trainable: false, inputShape: [2] }),
      new Dense({ units: 2, name: 'd' }),
      new BatchNormalization({ name: 'b2' }),
    ],
    'inner',
  );
  const model = new Sequential([inner]);
  await decodeKerasWeights(model, bytes);
  const read = new Map(model.plan([2]).weights.map(({ name, initialValues }) => [name, initialValues]));
  for (const [k, name] of order.entries()) {
    expect(read.get(`inner/${name}`), name).toEqual(pattern(k, name === 'd/kernel' ? 4 : 2));
  }
});

test.each([
  ['no HDF5 file', new TextEncoder().encode('<!DOCTYPE html>'), /^w\.h5 is not an HDF5 file/],
  ['an empty file', new Uint8Array(0), /^w\.h5 is not an HDF5 file/],
  [
    'a file that is cut short',
    unpacked(kerasWeights.types.file).subarray(0, 5000),
    /^w\.h5 is cut short: it has 5000 of \d+ bytes; fetch it again$/,
  ],
  [
    'the beginning of a file',
    unpacked(kerasWeights.types.file).subarray(0, 20),
    /^w\.h5 is damaged, or not an HDF5 file of Keras/,
  ],
])('decodeKerasWeights: throws for %s', async (_, bytes, says) => {
  expect(await refusal(decodeKerasWeights(tiny(), bytes, {}, 'w.h5'))).toMatch(says);
});

test('loadWeights and loadModel: the error names the function that reads an .h5 file', () => {
  const bytes = unpacked(kerasWeights.types.file);
  expect(() => decodeWeights(tiny(), bytes, {}, 'w.h5')).toThrow(
    /^w\.h5 is an HDF5 file.*await decodeKerasWeights \(loadKerasWeights for a path\) reads Keras's files$/,
  );
  expect(() => decodeModel(bytes, null as never, {}, 'w.h5')).toThrow(/await decodeKeras \(loadKeras for a path\)/);
});

describeOnDevice('on a device', (device) => {
  test.each(['before', 'after'])(
    'loadKerasWeights: assigns the old MobileNetV2 layout by order, %s build',
    async (when) => {
      const path = join(folder, 'mobilenet_v2.h5');
      writeFileSync(path, unpacked(kerasWeights.mobilenet.file));
      const model = tiny();
      if (when === 'after') model.build(device);
      const names = await loadKerasWeights(model, path);
      if (when === 'before') model.build(device);
      expect(names).toEqual(model.weights.map(({ name }) => name));
      expect(names).toHaveLength(260);
      for (const [k, { tensor }] of model.weights.entries())
        expect(await tensor.data()).toEqual(pattern(k, size(tensor.shape)));
      model.dispose();
    },
  );

  test("decodeKerasWeights: assigns Keras 3's .weights.h5 by class and number, also into nested models", async () => {
    const model = new Sequential([
      new Dense({ units: 3, inputShape: [2], name: 'a' }),
      new Dense({ units: 3, name: 'b' }),
      new Sequential(
        [new Dense({ units: 4, inputShape: [3], name: 'c' }), new BatchNormalization({ name: 'd' })],
        'inner',
      ),
      new Dropout(0.5),
      new Dense({ units: 1, name: 'e' }),
    ]);
    await decodeKerasWeights(model, unpacked(kerasWeights.inner.file));
    model.build(device);
    expect(model.weights.map(({ name }) => name)).toEqual([
      'a/kernel',
      'a/bias',
      'b/kernel',
      'b/bias',
      'inner/c/kernel',
      'inner/c/bias',
      'inner/d/gamma',
      'inner/d/beta',
      'inner/d/moving_mean',
      'inner/d/moving_variance',
      'e/kernel',
      'e/bias',
    ]);
    for (const [k, { tensor }] of model.weights.entries())
      expect(await tensor.data()).toEqual(pattern(k, size(tensor.shape)));
    model.dispose();
  });

  test('decodeKerasWeights: with a prefix, loads a file into the nested model', async () => {
    const bytes = unpacked(kerasWeights.mobilenet.file);
    for (const when of ['before', 'after']) {
      const extractor = tiny();
      const layers = [extractor, new GlobalAveragePooling2D(), new Dense({ units: 2, name: 'head' })];
      const model = new Sequential(layers);
      if (when === 'after') model.build(device, { seed: 2 });
      await expect(decodeKerasWeights(model, bytes, { prefix: 'head/' })).rejects.toThrow(
        'decodeKerasWeights: prefix: there is no model "head" in sequential; the models in it are mobilenetv2',
      );
      const names = await decodeKerasWeights(model, bytes, { prefix: 'mobilenetv2/' });
      if (when === 'before') model.build(device, { seed: 2 });
      expect(names).toHaveLength(260);
      expect(names[259]).toBe('mobilenetv2/Conv_1_bn/moving_variance');
      for (const [k, { tensor }] of model.weights.slice(0, 260).entries()) {
        expect(await tensor.data()).toEqual(pattern(k, size(tensor.shape)));
      }
      expect(Math.max(...(await model.weights[260]!.tensor.data()))).toBeLessThan(1); // as it was drawn
      model.dispose();
    }
  });

  test('decodeKerasWeights: throws while fit trains the model, also if fit starts meanwhile', async () => {
    const model = new Sequential([new Dense({ units: 3, inputShape: [2] }), new Dense({ units: 2 })]).build(device);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const bytes = unpacked(kerasWeights.types.file);
    const train = () => model.fit({ x: [[1, 2]], y: [[1, 2]] }, { epochs: 20 });
    const begunBefore = train();
    await expect(decodeKerasWeights(model, bytes)).rejects.toThrow(/is being trained by fit/);
    await begunBefore;
    const work = decodeKerasWeights(model, bytes);
    const begunAfter = train();
    await expect(work).rejects.toThrow(/is being trained by fit/);
    await begunAfter;
    expect(await decodeKerasWeights(model, bytes)).toHaveLength(4);
    model.dispose();
  });
});
