import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { expect, test } from 'vitest';
import {
  ArgumentError,
  DataError,
  Dense,
  Device,
  decodeKeras,
  decodeKerasWeights,
  encodeSafetensors,
  loadKeras,
  loadKerasWeights,
  readKerasWeights,
  Sequential,
  TilegradError,
} from '../../../src/node.ts';
import { kerasModels, kerasWeights, unpacked } from '../../golden/files/files.ts';
import { h5File, kerasZip, layer2, layer3, model2, model3 } from './made-files.ts';

/** The message of a DataError. */
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
};
const refusedModel = (config: unknown) => refusal(decodeKeras(kerasZip(config), {}, 'm.keras'));
const INPUT = layer3('InputLayer', { name: 'x', batch_shape: [null, 4, 4, 3] });

test('decodeKeras: lists all unsupported layers and options at once', async () => {
  const inner = model3([
    layer3('LSTM', { name: 'memory', units: 3 }),
    layer3('Conv2D', { name: 'cut', filters: 2, kernel_size: 3, groups: 2, activation: 'swish' }),
  ]);
  const message = await refusedModel(
    model3([
      INPUT,
      layer3('GRU', { name: 'gate' }),
      layer3('LSTM', { name: 'first' }),
      layer3('MaxPooling2D', { name: 'pool', data_format: 'channels_first' }),
      layer3('Dense', { name: 'wide', units: -1 }),
      layer3('Dense', { name: 'tied', units: 1, kernel_constraint: { class_name: 'NonNeg', config: {} }, depth: 3 }),
      layer3('Dense', { name: 'half', units: 1, dtype: { class_name: 'DTypePolicy', config: { name: 'float16' } } }),
      inner,
    ]),
  );
  expect(message).toBe(
    'm.keras cannot be loaded as a model: there are no layers such as GRU (gate), LSTM (first, small/memory); pass classes for them as ' +
      'customLayers. options that layers here do not have: pool (MaxPooling2D): data_format is "channels_first", but must be ' +
      '"channels_last"; wide (Dense): Dense: units must be a positive integer, but is -1; tied (Dense): kernel_constraint is ' +
      '{"class_name":"NonNeg","config":{}}, but must be left out; tied (Dense): depth is 3, which is an option that is not known here; half ' +
      '(Dense): dtype is {"class_name":"DTypePolicy","config":{"name":"float16"}}, but must be float32; small/cut (Conv2D): groups is 2, ' +
      'but must be 1; small/cut (Conv2D): activation is "swish", but must be one of linear, relu, relu6, leaky_relu, elu, sigmoid, tanh, ' +
      'softplus, gelu, softmax',
  );
});

const graph = (layers: object[], inputs: unknown = [['x', 0, 0]], outputs: unknown = [['a', 0, 0]]) =>
  model2(layers, { input_layers: inputs, output_layers: outputs });
const X = layer2('InputLayer', { name: 'x', batch_input_shape: [null, 2] });
const from = (...names: string[]) => [names.map((name) => [name, 0, 0, {}])];

test.each([
  [
    'several inputs',
    graph([X, layer2('InputLayer', { name: 'y', batch_input_shape: [null, 2] })], [['x', 0, 0], ['y', 0, 0]]), // biome-ignore format: as pairs
    /^m\.keras: model "small" has 2 inputs \(x, y\), but a model here has one input and one output; make a model with one of each in Keras/,
  ],
  [
    'several outputs, by name',
    graph([X, layer2('ReLU', { name: 'a' }, from('x'))], ['x', 0, 0], { p: ['a', 0, 0], q: ['x', 0, 0] }),
    /model "small" has 2 outputs \(a, x\)/,
  ],
  [
    'no output',
    graph([X], [['x', 0, 0]], []),
    /model "small" needs an output, but has \[\]; save the model again with Keras$/,
  ],
  [
    'an invalid input',
    graph([layer2('ReLU', { name: 'x' }, from('x'))]),
    /the input of model "small" must be an InputLayer, but "x" is not one/,
  ],
  [
    'a layer that is not there',
    graph([X, layer2('ReLU', { name: 'a' }, from('b'))]),
    /there is no layer "b", but another layer has it as its input/,
  ],
  ['a layer that feeds itself', graph([X, layer2('ReLU', { name: 'a' }, from('a'))]), /"a" has itself as its input/],
  [
    'a circle of layers',
    graph([X, layer2('Add', { name: 'a' }, from('x', 'b')), layer2('ReLU', { name: 'b' }, from('a'))]),
    /"a" has itself as its input/,
  ],
  ['a layer without an input', graph([X, layer2('ReLU', { name: 'a' }, [[]])]), /"a" \(ReLU\) has no input/],
  [
    'a call that is not there',
    graph([X, layer2('ReLU', { name: 'a' }, from('x'))], [['x', 0, 0]], [['a', 1, 0]]),
    /there is no call 1 of "a"/,
  ],
  [
    'the second output of a layer',
    graph([X, layer2('ReLU', { name: 'a' }, [[['x', 0, 1, {}]]])]),
    /output 1 of "x" is used, but layers here have one output/,
  ],
  [
    'an argument that is no tensor',
    graph([X, { ...layer3('ReLU', { name: 'a' }), inbound_nodes: [{ args: [3], kwargs: {} }] }]),
    /"a" \(ReLU\) has no input/,
  ],
  [
    'an argument beside a tensor',
    graph([X, layer2('ReLU', { name: 'a' }, [[['x', 0, 0, { factor: 2 }]]])]),
    /a \(ReLU\): is called with factor=2, which is not supported here$/,
  ],
  [
    'a batch norm with training=False',
    graph([X, layer2('BatchNormalization', { name: 'a' }, [[['x', 0, 0, { training: false }]]])]),
    /a \(BatchNormalization\): is called with training=false, which is not supported here; freeze it \(trainable = False\) and save the model again$/,
  ],
  ['two layers with one name', graph([X, X]), /model "small" has two layers called "x"/],
  [
    'layers that do not fit',
    model3([INPUT, layer3('Conv2D', { name: 'big', filters: 1, kernel_size: 5 })]),
    /^m\.keras: big: Conv2D: /,
  ],
  ['merged shapes that do not fit', graph([X, layer2('Dense', { name: 'd', units: 3 }, from('x')), layer2('Add', { name: 'a' }, from('x', 'd'))]), /^m\.keras: a: Add: the inputs must have the same shape, but have \[2\], \[3\]/], // biome-ignore format: one line
  ['a model without layers', model3([INPUT]), /^m\.keras: Sequential: takes a list of layers, at least one/],
  [
    'no shape of samples',
    model3([layer3('Flatten', { name: 'f' })]),
    /nothing states the shape of a sample; give it: \{ inputShape: \[\.\.\.\] \}/,
  ],
  [
    'another class',
    layer3('Dense', { name: 'd', units: 1 }),
    /a Sequential or a Functional model can be read, but this is a "Dense"/,
  ],
  ['an invalid layer', model3([INPUT, 3 as never]), /layer 1 of "small" needs class_name and config, but is 3/],
  ['layers that are not a list', model3({} as never), /model "small" needs a list of layers, but has \{\}/],
  [
    'an invalid name',
    model3([layer3('Flatten', { name: 3 })]),
    /the name of layer 0 of "small" must be text, but is 3/,
  ],
  ['no description', null, /the model needs class_name and config, but is null/],
  ['no JSON', '{"class_name": ', /^m\.keras: the configuration of the model is not JSON \(/],
  [
    'JSON that is nested too deep',
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
    /is not JSON \(it is nested more than 200 levels deep\)/,
  ],
])('decodeKeras: throws for %s', async (_, config, says) => {
  expect(await refusedModel(config)).toMatch(says);
});

test('decodeKeras: accepts training=False where it changes nothing', async () => {
  const frozen = { name: 'a', trainable: false };
  const config = graph([X, layer2('BatchNormalization', frozen, [[['x', 0, 0, { training: false, mask: null }]]])]);
  // The file has the weights of another model.
  expect(await refusedModel(config)).toMatch(
    /^m\.keras does not fit the model small: the file lacks a \(layers\/batch_normalization\)/,
  );
});

test('decodeKeras: throws for files without a model', async () => {
  expect(await refusal(decodeKeras(unpacked(kerasWeights.types.file), {}, 'w.h5'))).toBe(
    'w.h5 holds weights, but no model: create the model in code and use loadKerasWeights',
  );
  const empty = await h5File(() => {});
  for (const work of [decodeKeras(empty, {}, 'e.h5'), readKerasWeights(empty, 'e.h5')]) {
    expect(await refusal(work)).toBe(
      "e.h5 is an HDF5 file without the weights of a Keras model; save them with Keras's save or save_weights",
    );
  }
  const zip = (files: Record<string, Uint8Array>) => refusal(decodeKeras(zipSync(files), {}, 'm.keras'));
  expect(await zip({ 'a.txt': strToU8('a') })).toBe(
    'm.keras is a zip file without config.json, so it is not a .keras file; save the model again with Keras',
  );
  expect(await zip({ 'config.json': strToU8('{}') })).toMatch(/without model\.weights\.h5/);
  expect(await zip({ 'config.json': strToU8('{}'), 'model.weights.h5': strToU8('none') })).toMatch(
    /^m\.keras is not an HDF5 file/,
  );
  const whole = kerasZip(model3([INPUT]));
  for (const length of [4, 100, whole.length - 30]) {
    expect(await refusal(decodeKeras(whole.subarray(0, length), {}, 'm.keras'))).toMatch(
      /^m\.keras is a zip file that is cut short or damaged/,
    );
  }
  expect(await refusal(decodeKeras(strToU8('PK'), {}, 'm.keras'))).toMatch(/^m\.keras is not an HDF5 file/);
});

test("decodeKeras: the error says what it reads, and which function reads tilegrad's own files", async () => {
  const safetensors = encodeSafetensors([['a', { shape: [1], data: Float32Array.of(1) }]]);
  for (const read of [decodeKeras, (bytes: Uint8Array, _: object, name: string) => readKerasWeights(bytes, name)]) {
    const says = (bytes: Uint8Array) => refusal(read(bytes, {}, 'a.keras'));
    expect(await says(strToU8(''))).toBe(
      'a.keras is not an HDF5 file: it is empty; what can be read are .keras files of Keras 3, and .h5 files',
    );
    expect(await says(strToU8('a text'))).toMatch(/it does not begin as one does; what can be read are \.keras/);
    expect(await says(safetensors)).toMatch(
      /^a\.keras is not an HDF5 file, but begins as a safetensors file does: loadModel .* and loadWeights /,
    );
  }
});

test('loadKeras and loadKerasWeights: check path and options under their names, before the file is read', async () => {
  const expectRefused = (work: Promise<unknown>, message: RegExp) =>
    work.then(
      () => expect.unreachable(),
      (error) => {
        expect(error).toBeInstanceOf(ArgumentError);
        expect(error.message).toMatch(message);
      },
    );
  await expectRefused(loadKeras(undefined as never), /^loadKeras: the path of a \.keras or \.h5 file must be text/);
  await expectRefused(loadKeras('none.h5', { device: 1 } as never), /^loadKeras: there is no option device/);
  await expectRefused(loadKeras('none.h5', { inputShape: [0] }), /^loadKeras: inputShape must be/);
  const device = Object.create(Device.prototype);
  await expectRefused(
    loadKeras('none.h5', device),
    /^loadKeras: takes no device; .*\(await loadKeras\(...\)\)\.build\(device\)$/,
  );
  const model = new Sequential([new Dense({ units: 1, inputShape: [2] })]);
  await expectRefused(
    loadKerasWeights(model, '' as never),
    /^loadKerasWeights: the path of a \.h5 or \.keras file must be text/,
  );
  await expectRefused(
    loadKerasWeights(model, 'none.h5', { prefx: 'a' } as never),
    /^loadKerasWeights: .* did you mean prefix/,
  );
});

test('decodeKeras: throws for a .keras file with a changed bit in a weight', async () => {
  const bytes = unpacked(kerasModels.nested.files['model.keras']);
  expect((await decodeKeras(bytes)).name).toBe('nested');
  const weight = Buffer.from(bytes.buffer).indexOf('TREE') - 8; // anywhere in model.weights.h5, which is not packed
  bytes[weight]! ^= 1;
  expect(await refusal(decodeKeras(bytes, {}, 'm.keras'))).toBe(
    'm.keras is a zip file that is cut short or damaged (model.weights.h5 does not match its checksum); fetch it again',
  );
});

test('readKerasWeights: throws for a file whose layers or weights are missing or are not floats', async () => {
  const file = (name: string, weight: string, data: Float32Array | Int32Array) =>
    h5File(({ root }) => {
      root.create_attribute('layer_names', ['a']);
      const layer = root.create_group(name);
      layer.create_attribute('weight_names', [weight]);
      layer.create_dataset({ name: 'w', data });
    });
  expect(await refusal(readKerasWeights(await file('b', 'w', Float32Array.of(1)), 'f.h5'))).toBe(
    'f.h5 lists a layer a, but does not hold it',
  );
  expect(await refusal(readKerasWeights(await file('a', 'v', Float32Array.of(1)), 'f.h5'))).toBe(
    'f.h5 lists a weight /a/v, but does not hold it',
  );
  expect(await refusal(readKerasWeights(await file('a', 'w', Int32Array.of(1)), 'f.h5'))).toBe(
    'f.h5: /a/w holds no floats of 16, 32 or 64 bits',
  );
});

test('decodeKerasWeights: throws for values that are not finite', async () => {
  const infinite = await h5File(({ root }) => {
    root.create_attribute('layer_names', ['a']);
    const layer = root.create_group('a');
    layer.create_attribute('weight_names', ['w']);
    layer.create_dataset({ name: 'w', data: Float32Array.of(Number.POSITIVE_INFINITY), shape: [1, 1] });
  });
  const model = new Sequential([new Dense({ units: 1, useBias: false, inputShape: [1] })]);
  expect(await refusal(decodeKerasWeights(model, infinite, {}, 'f.h5'))).toMatch(
    /^f\.h5: .*dense\/kernel: value 0 is Infinity/,
  );
});

test('readKerasWeights: throws for groups that contain themselves, and for more than its maximum', async () => {
  const circle = await h5File(({ root }) => {
    root.create_group('layers').create_group('a');
    root.create_hard_link('/layers', 'layers/a/layers');
  });
  expect(await refusal(readKerasWeights(circle, 'f.h5'))).toMatch(/models within models more than 32 deep$/);
  const large = await h5File(({ root }) => {
    root.create_group('layers').create_group('a').create_group('vars');
    // Never written, so it takes no room in the file.
    const data = new Float32Array(16);
    root
      .create_dataset({ name: '/layers/a/vars/0', data, shape: [16], maxshape: [null], chunks: [16] })
      .resize([2 ** 29]);
  });
  expect(large.length).toBeLessThan(20_000);
  expect(await refusal(readKerasWeights(large, 'f.h5'))).toBe(
    `f.h5: with /layers/a/vars/0 [536870912] it states more weights than the ${(1032 * large.length).toLocaleString('en-US')} bytes that are read of a file of its size`,
  );
});

test('decodeKeras: throws for files that unpack to more than the maximum, before they fill the memory', async () => {
  const before = process.resourceUsage().maxRSS;
  const zip = zipSync({
    'config.json': new Uint8Array(2 ** 27),
    'model.weights.h5': unpacked(kerasWeights.inner.file),
  });
  expect(zip.length).toBeLessThan(200_000);
  expect(await refusal(decodeKeras(zip, {}, 'm.keras'))).toBe(
    'm.keras: config.json would unpack to 134,217,728 bytes, but at most 67,108,864 are read',
  );
  const lies = kerasZip(model3([INPUT]));
  const entry = Buffer.from(lies.buffer).lastIndexOf('PK\x01\x02'); // that of the weights in the list of files
  new DataView(lies.buffer).setUint32(entry + 24, 2 ** 29, true);
  expect(await refusal(decodeKeras(lies, {}, 'm.keras'))).toMatch(
    /^m\.keras: model\.weights\.h5 would unpack to 536,870,912 bytes, which its [\d,]+ packed bytes cannot hold$/,
  );
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(300);
});

test('readKerasWeights: throws for a file that the HDF5 library would read in an endless loop', async () => {
  const bytes = unpacked(kerasWeights.types.file);
  const heap = Buffer.from(bytes.buffer).indexOf('GCOL');
  expect(heap).toBeGreaterThan(0);
  // Walks the objects of the collection to object 0, the free space, and sets its size to 0.
  const view = new DataView(bytes.buffer);
  let offset = heap + 16;
  while (view.getUint16(offset, true) !== 0)
    offset += 16 + 8 * Math.ceil(Number(view.getBigUint64(offset + 8, true)) / 8);
  view.setBigUint64(offset + 8, 0n, true);
  expect(await refusal(readKerasWeights(bytes, 'f.h5'))).toMatch(
    /^f\.h5 is damaged.*\(its sizes or texts are invalid\); fetch it again$/,
  );
});

test('readKerasWeights: throws for a file that makes the HDF5 library write outside its memory, and reads the next one', async () => {
  const bytes = unpacked(kerasWeights.types.file);
  const whole = bytes.slice();
  bytes[11_101] = 255; // found by drawing
  for (let times = 0; times < 3; times++) {
    expect(await refusal(readKerasWeights(bytes, 'f.h5'))).toBe(
      'f.h5 is damaged, or not an HDF5 file of Keras (memory access out of bounds); fetch it again',
    );
    expect(await readKerasWeights(whole)).toHaveLength(2);
  }
});

/** A file with some bytes changed, or truncated. */
const damageFile = (file: Uint8Array) =>
  fc
    .tuple(
      fc.array(
        fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 1, max: 4, noNaN: true }), fc.nat(255)),
        { minLength: 1, maxLength: 8 },
      ),
      fc.constantFrom(1, 1, 1, 0.9, 0.5),
    )
    .map(([changes, share]) => {
      const bytes = file.slice();
      // Most of them near the beginning, where the structure is.
      for (const [place, power, value] of changes) bytes[Math.floor(place ** power * (bytes.length - 1))] = value;
      return bytes.subarray(0, Math.ceil(share * bytes.length));
    });

/** The result for such a file if it is not a typed error. */
async function surprise(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    return error instanceof TilegradError ? null : error;
  }
}

const RUNS = process.env.LONG === '1' ? 3000 : 60;

test.each([
  ['a .h5 of Keras 2', kerasModels.nested.files['model-2.h5']],
  ['a .h5 of Keras 3', kerasModels.branches.files['model-3.h5']],
  ['an uncompressed .keras', kerasModels.nested.files['model.keras']],
  ['a compressed .keras', kerasModels.branches.files['model.keras']],
  ['weights of several types', kerasWeights.types.file],
])('decodeKeras and readKerasWeights: %s with changed bytes is read or throws a typed error', async (_, file) => {
  await fc.assert(
    fc.asyncProperty(damageFile(unpacked(file)), async (bytes) => {
      expect(await surprise(() => decodeKeras(bytes))).toBeNull();
      expect(await surprise(() => readKerasWeights(bytes))).toBeNull();
    }),
    { numRuns: RUNS },
  );
  // The library works as before.
  expect(await readKerasWeights(unpacked(kerasWeights.types.file))).toHaveLength(2);
});

test('decodeKeras and readKerasWeights: any bytes after the signatures throw a typed error', async () => {
  const signature = fc.constantFrom(
    [],
    [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a],
    [0x50, 0x4b, 3, 4],
    [0x50, 0x4b, 5, 6],
  );
  await fc.assert(
    fc.asyncProperty(signature, fc.uint8Array({ maxLength: 300 }), async (first, rest) => {
      const bytes = Uint8Array.of(...first, ...rest);
      await expect(decodeKeras(bytes)).rejects.toBeInstanceOf(DataError);
      await expect(readKerasWeights(bytes)).rejects.toBeInstanceOf(DataError);
    }),
    { numRuns: RUNS },
  );
});

test('decodeKeras: throws for invalid options and names', async () => {
  const bytes = unpacked(kerasModels.nested.files['model.keras']);
  for (const options of [{ inputShape: 3 }, { inputShape: [0] }, { customLayers: 3 }, { layers: {} }, 3]) {
    await expect(decodeKeras(bytes, options as never)).rejects.toBeInstanceOf(ArgumentError);
  }
  await expect(decodeKeras([] as never)).rejects.toThrow(
    /^decodeKeras: the bytes of a file are a Uint8Array, but \[\] was given/,
  );
  await expect(decodeKeras(bytes, { inputShape: [4, 8, 3] }, 'm.keras')).rejects.toThrow(
    'm.keras: model nested: takes samples of [8,8,3], which [4,8,3] is not',
  );
});
