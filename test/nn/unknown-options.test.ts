import { expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { ArgumentError, type Device } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { operatorOptions } from '../support/operator-options.ts';
import { build, sigmoid } from '../support/points.ts';

// All exports that take options throw for an unknown one: otherwise, it would be ignored silently.

/** Exports by name, how each is called with options, and the beginning of its message (default: the name). */
type Entry = (options: never) => unknown;
type Entries = Record<string, Entry | [call: Entry, says: string]>;

const images = drawImages(6, { shape: [2, 2, 1], classes: 2 });
const anyFile = import.meta.filename;
const { initializers, regularizers, schedules, ...exported } = tg;
const named = exported as Record<string, unknown>;
const constructorEntries = (...names: (keyof typeof exported)[]): Entries =>
  Object.fromEntries(names.map((name) => [name, (o) => new (named[name] as new (options: object) => object)(o)]));

/** Exports that need no GPU. */
const here: Entries = {
  ...constructorEntries('Add', 'Average', 'AveragePooling2D', 'BatchNormalization', 'Concatenate', 'Conv2D', 'Dense'),
  ...constructorEntries(
    'DepthwiseConv2D',
    'Flatten',
    'GlobalAveragePooling2D',
    'LeakyReLU',
    'MaxPooling2D',
    'Maximum',
    'Minimum',
  ),
  ...constructorEntries('Model', 'Multiply', 'ReLU', 'Rescaling', 'Resizing', 'Subtract', 'ZeroPadding2D'),
  ...constructorEntries(
    'RandomContrast',
    'RandomCrop',
    'RandomErasing',
    'RandomFlip',
    'RandomRotation',
    'RandomTranslation',
  ),
  ...constructorEntries('RandomZoom'),
  ...constructorEntries('Adam', 'AdamW', 'RMSprop', 'SGD'),
  ...constructorEntries(
    'BackupAndRestore',
    'EarlyStopping',
    'LambdaCallback',
    'ModelCheckpoint',
    'ReduceLROnPlateau',
    'TensorBoard',
  ),
  Activation: (o) => new tg.Activation('relu', o),
  Dropout: (o) => new tg.Dropout(0.5, o),
  Lambda: (o) => new tg.Lambda((x) => x, o),
  Permute: (o) => new tg.Permute([1], o),
  Reshape: (o) => new tg.Reshape([1], o),
  ...constructorEntries('BayesianOptimization', 'GridSearch', 'Hyperband', 'RandomSearch', 'HyperParameters'),
  'HyperParameters.int': [(o) => new tg.HyperParameters().int('n', o), 'hp\\.int\\("n"\\)'],
  'HyperParameters.float': [(o) => new tg.HyperParameters().float('n', o), 'hp\\.float\\("n"\\)'],
  'HyperParameters.choice': [(o) => new tg.HyperParameters().choice('n', [1], o), 'hp\\.choice\\("n"\\)'],
  'HyperParameters.boolean': [(o) => new tg.HyperParameters().boolean('n', o), 'hp\\.boolean\\("n"\\)'],
  CSVLogger: (o) => new tg.CSVLogger('a.csv', o),
  JSONLLogger: (o) => new tg.JSONLLogger('a.jsonl', o),
  BinaryCrossentropy: [(o) => new tg.BinaryCrossentropy(o), 'binaryCrossentropy'],
  CategoricalCrossentropy: [(o) => new tg.CategoricalCrossentropy(o), 'categoricalCrossentropy'],
  Huber: [(o) => new tg.Huber(o), 'huber'],
  SparseCategoricalCrossentropy: [(o) => new tg.SparseCategoricalCrossentropy(o), 'sparseCategoricalCrossentropy'],
  mobileNetV2: (o) => tg.mobileNetV2(o),
  'initializers.orthogonal': [(o) => tg.initializers.orthogonal(o), 'orthogonal'],
  'initializers.randomNormal': [(o) => tg.initializers.randomNormal(o), 'randomNormal'],
  'initializers.randomUniform': [(o) => tg.initializers.randomUniform(o), 'randomUniform'],
  'initializers.truncatedNormal': [(o) => tg.initializers.truncatedNormal(o), 'truncatedNormal'],
  'regularizers.l1l2': [(o) => tg.regularizers.l1l2(o), 'l1l2'],
  'schedules.cosineDecay': [(o) => tg.schedules.cosineDecay(o), 'cosineDecay'],
  'schedules.exponentialDecay': [(o) => tg.schedules.exponentialDecay(o), 'exponentialDecay'],
  'schedules.piecewiseConstantDecay': [(o) => tg.schedules.piecewiseConstantDecay(o), 'piecewiseConstantDecay'],
  'schedules.warmUp': [(o) => tg.schedules.warmUp(o), 'warmUp'],
  choosePerClass: (o) => tg.choosePerClass(images, 1, o),
  splitIndices: [(o) => tg.splitIndices([0, 0, 1, 1], o), 'trainTestSplit'],
  trainTestSplit: (o) => tg.trainTestSplit(images, o),
  datasetStatus: (o) => tg.datasetStatus('mnist', o),
  imageFolder: (o) => tg.imageFolder(anyFile, o),
  imagesFrom: (o) => tg.imagesFrom([{ width: 1, height: 1, data: new Uint8ClampedArray(4) }], o),
  fetchDataset: (o) => tg.fetchDataset('mnist', o),
  loadDataset: (o) => tg.loadDataset('mnist', o),
};

function onDevice(device: Device): Entries {
  const t = () => tg.tensor(device, [1], [1], { requiresGrad: true });
  const model = () => build(device, sigmoid());
  const x = [0, 1];
  const data = { x, y: [1] };
  const fresh = () => new tg.Sequential([new tg.Dense({ units: 1, inputShape: [2] })]);
  const batch = () => tg.tensor(device, x, [1, 2]);
  /** Arguments before an operator's options: the number of tensors, and others. */
  const before: Partial<Record<string, number>> = { batchNorm: 3, batchNormInference: 5, matmul: 2, huber: 2 };
  const operators = Object.keys(operatorOptions).map((name): [string, Entry] => {
    const operator = named[name] as (...args: unknown[]) => unknown;
    const count = /conv2d|linear/i.test(name) ? 3 : /Error|entropy/.test(name) ? 2 : (before[name] ?? 1);
    const more = name === 'pad' || name === 'resize' ? [[]] : [];
    return [name, (o) => tg.scope(device, () => void operator(...Array.from({ length: count }, t), ...more, o))];
  });
  return {
    ...Object.fromEntries(operators),
    'Tensor.backward': [(o) => t().backward(undefined, o), 'backward'],
    tensor: (o) => tg.tensor(device, [1], [1], o),
    openDevice: (o) => tg.openDevice(o),
    'Device.open': (o) => tg.Device.open(null as never, o),
    'Model.build': [(o) => fresh().build(device, o), 'build'],
    'Model.call': [(o) => model().call(batch(), o), 'call'],
    'Model.callLogits': [(o) => model().callLogits(batch(), o), 'call'],
    'Model.compile': [(o) => fresh().compile(o), 'compile'],
    'Model.evaluate': [(o) => model().evaluate(data, o), 'evaluate'],
    'Model.evaluateReplicas': [(o) => model().evaluateReplicas(data, o), 'evaluate'],
    'Model.fit': [(o) => model().fit(data, o), 'fit'],
    'Model.predict': [(o) => model().predict(x, o), 'predict'],
    'Model.setInitialWeights': [(o) => fresh().setInitialWeights(new Map(), o), 'setInitialWeights'],
    'Model.trainOnBatch': [(o) => model().trainOnBatch(x, [1], o), 'trainOnBatch'],
    'Device.track': [(o) => device.track(o), 'track'],
    ArrayLoader: (o) => new tg.ArrayLoader(device, o),
    ImageLoader: (o) => new tg.ImageLoader(device, images, o),
    confusionMatrix: (o) => tg.confusionMatrix(model(), data, o),
    decodeModel: [(o) => tg.decodeModel(new Uint8Array(), device, o), 'loadModel'],
    decodeWeights: [(o) => tg.decodeWeights(model(), new Uint8Array(), o), 'loadWeights'],
    decodeKeras: (o) => tg.decodeKeras(new Uint8Array(), o),
    decodeKerasWeights: (o) => tg.decodeKerasWeights(model(), new Uint8Array(), o),
    loadKeras: (o) => tg.loadKeras(anyFile, o),
    loadKerasWeights: (o) => tg.loadKerasWeights(model(), anyFile, o),
    loadModel: (o) => tg.loadModel(anyFile, device, o),
    loadWeights: (o) => tg.loadWeights(model(), anyFile, o),
    loadTuning: (o) => tg.loadTuning(device, o),
    tune: (o) => tg.tune(device, [], o),
    profileProgram: (o) => tg.profileProgram(device, null as never, o),
    profileStep: (o) => tg.profileStep(model(), null as never, o),
  };
}

/** Exports that take options but are not tested here. */
const EXCLUDED = new Set([
  'Layer', // keeps the options of its subclasses, which it cannot know
  'Model.ownContext', // private
  'rescale', // takes two required numbers, and the result of `standardization`
]);

const expectUnknownOption = async (name: string, entry: Entries[string]) => {
  const [call, says] = typeof entry === 'function' ? [entry, name] : entry;
  const result = (async () => call({ nonesuch: undefined } as never))();
  await expect(result).rejects.toThrow(ArgumentError);
  await expect(result).rejects.toThrow(new RegExp(`^${says}: there is no option nonesuch\\. There (is|are) \\w+`));
};

test.each(Object.entries(here))('%s', expectUnknownOption);

describeOnDevice('unknown options', (device) => {
  test.each(Object.entries(onDevice(device)))('%s', expectUnknownOption);

  test.each(Object.entries(operatorOptions))('%s: the message lists its options', (name, names) => {
    const entry = onDevice(device)[name] as Entry;
    const message = new RegExp(`There (is|are) ${[...names!].sort().join(', ')}$`);
    expect(() => entry({ nonesuch: 1 } as never)).toThrow(message);
  });

  test('ImageLoader: takes the result of `standardization`, but not mean and deviation alone', () => {
    const scaling = tg.standardization(images);
    new tg.ImageLoader(device, images, scaling).dispose();
    const { mean, deviation } = scaling;
    expect(() => new tg.ImageLoader(device, images, { mean, deviation } as never)).toThrow(
      /no option mean\. There are/,
    );
  });
});

test('the message for an option in snake_case suggests the camelCase name', () => {
  expect(() => new tg.Adam({ learning_rate: 0.5 } as never)).toThrow(/^Adam: .*did you mean learningRate\?/);
  expect(() => new tg.AdamW({ weight_decay: 0.5 } as never)).toThrow(/^AdamW: .*did you mean weightDecay\?/);
  expect(() => new tg.Dense({ units: 2, acitvation: 'relu' } as never)).toThrow(/^Dense: .*did you mean activation\?/);
  const stop = () => new tg.EarlyStopping({ restore_best_weights: true } as never);
  expect(stop).toThrow(/^EarlyStopping: .*did you mean restoreBestWeights\?/);
});

/** Whether the text of a function or constructor has a parameter of that name, or destructures one. */
function takesOptions(value: unknown, parameter = /\b(options|rates|hooks)\b|\{ /): boolean {
  if (typeof value !== 'function' || value === Function.prototype) return false;
  if (value.prototype instanceof Error) return false; // JavaScript's own options
  const text = String(value);
  const isClass = text.startsWith('class');
  const parameters = (isClass ? /\bconstructor\(([^)]*)\)/ : /^[^(]*\(([^)]*)\)/).exec(text)?.[1];
  if (isClass && parameters === undefined) return takesOptions(Object.getPrototypeOf(value));
  return parameter.test(parameters ?? '');
}

test('the table of this test has every export that takes options', () => {
  const all = new Map<string, unknown>(Object.entries(exported));
  for (const [space, functions] of Object.entries({ initializers, regularizers, schedules })) {
    for (const [name, value] of Object.entries(functions)) all.set(`${space}.${name}`, value);
  }
  for (const [name, value] of Object.entries(exported)) {
    if (typeof value !== 'function' || !value.prototype) continue;
    for (const [method, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(value.prototype))) {
      if (method !== 'constructor' && takesOptions(member, /\boptions\b/)) all.set(`${name}.${method}`, member);
    }
  }
  const taking = [...all].flatMap(([name, value]) => (takesOptions(value) && !EXCLUDED.has(name) ? [name] : []));
  expect(taking).toContain('Add'); // by a constructor that it inherits
  const known = Object.keys({ ...here, ...onDevice(null as unknown as Device) });
  expect(taking.filter((name) => !known.includes(name))).toEqual([]);
  expect(taking.length).toBeGreaterThan(80);
});
