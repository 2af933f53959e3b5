import { expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { ArgumentError, type Device } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { build, sigmoid } from '../support/points.ts';

// Constructors throw for arguments and options that they do not read: otherwise, those would be ignored silently.

/** Arguments of each constructor; the last are its options, if it takes any. */
type Maker = { args: readonly unknown[]; options: boolean };
const plain = (...args: readonly unknown[]): Maker => ({ args, options: false });
const withOptions = (...args: readonly unknown[]): Maker => ({ args, options: true });

const dense = () => new tg.Dense({ units: 2, inputShape: [2] });
const x = tg.input([2]);
const y = dense().apply(x);
const images = drawImages(4, { shape: [2, 2, 1], classes: 2 });
const { initializers, regularizers, schedules, ...exported } = tg;

const searched = {
  buildModel(hp: tg.HyperParameters) {
    hp.int('units', { min: 1, max: 3 });
    return new tg.Sequential([dense()]).compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  },
  objective: 'loss',
  directory: 'no-such-folder',
};

const classes: Record<string, Maker> = {
  // Layers.
  Activation: withOptions('relu', {}),
  Dropout: withOptions(0.5, {}),
  Lambda: withOptions((t: unknown) => t, {}),
  Permute: withOptions([1], {}),
  Reshape: withOptions([1], {}),
  Conv2D: withOptions({ filters: 1, kernelSize: 1 }),
  Dense: withOptions({ units: 1 }),
  DepthwiseConv2D: withOptions({ kernelSize: 1 }),
  RandomContrast: withOptions({ factor: 0.1 }),
  RandomCrop: withOptions({ height: 2, width: 2 }),
  RandomErasing: withOptions({}),
  RandomFlip: withOptions({}),
  RandomRotation: withOptions({ factor: 0.1 }),
  RandomTranslation: withOptions({ heightFactor: 0.1, widthFactor: 0.1 }),
  RandomZoom: withOptions({ heightFactor: 0.1 }),
  Rescaling: withOptions({ scale: 2 }),
  Resizing: withOptions({ height: 2, width: 2 }),
  ...Object.fromEntries(
    ['Add', 'Average', 'Concatenate', 'Maximum', 'Minimum', 'Multiply', 'Subtract'].map((name) => [
      name,
      withOptions({}),
    ]),
  ),
  ...Object.fromEntries(
    ['AveragePooling2D', 'GlobalAveragePooling2D', 'MaxPooling2D', 'BatchNormalization', 'Flatten'].map((name) => [
      name,
      withOptions({}),
    ]),
  ),
  ...Object.fromEntries(['LeakyReLU', 'ReLU', 'ZeroPadding2D'].map((name) => [name, withOptions({})])),
  // Models.
  Model: withOptions({ inputs: x, outputs: y }),
  Sequential: plain([dense()], 'name'),
  // Optimizers and losses.
  ...Object.fromEntries(['Adam', 'AdamW', 'RMSprop', 'SGD'].map((name) => [name, withOptions({})])),
  BinaryCrossentropy: withOptions({}),
  CategoricalCrossentropy: withOptions({}),
  CustomLoss: plain((t: unknown) => t, 'name', 'labels'),
  CustomMetric: plain((t: unknown) => t, 'name'),
  Huber: withOptions({}),
  MeanAbsoluteError: plain(),
  MeanSquaredError: plain(),
  SparseCategoricalCrossentropy: withOptions({}),
  // Callbacks.
  BackupAndRestore: withOptions({ path: 'x' }),
  CSVLogger: withOptions('x', {}),
  EarlyStopping: withOptions({}),
  JSONLLogger: withOptions('x', {}),
  LambdaCallback: withOptions({}),
  LearningRateScheduler: plain(() => 1),
  ModelCheckpoint: withOptions({ path: 'x' }),
  ProgressLine: plain(
    () => {},
    () => {},
  ),
  ReduceLROnPlateau: withOptions({}),
  TensorBoard: withOptions({}),
  TerminateOnNaN: plain(),
  // Searches.
  HyperParameters: withOptions({}),
  ...Object.fromEntries(
    ['BayesianOptimization', 'GridSearch', 'Hyperband', 'RandomSearch'].map((name) => [name, withOptions(searched)]),
  ),
  // Figures.
  ConfusionMatrix: plain([[1]]),
};
const functions: Record<string, Maker> = {
  input: plain([2]),
  mobileNetV2: withOptions({ inputShape: [32, 32, 3] }),
  'initializers.constant': plain(1),
  ...Object.fromEntries(
    ['orthogonal', 'randomNormal', 'randomUniform', 'truncatedNormal'].map((name) => [
      `initializers.${name}`,
      withOptions({}),
    ]),
  ),
  'regularizers.l1': plain(1),
  'regularizers.l2': plain(1),
  'regularizers.l1l2': withOptions({}),
  'schedules.constant': plain(1),
  'schedules.cosineDecay': withOptions({ initialLearningRate: 1, decaySteps: 1 }),
  'schedules.exponentialDecay': withOptions({ initialLearningRate: 1, decaySteps: 1, decayRate: 1 }),
  'schedules.piecewiseConstantDecay': withOptions({ boundaries: [], values: [1] }),
  'schedules.warmUp': withOptions({ steps: 1, target: 1 }),
};
/** Classes that only tilegrad instantiates, or that are base classes. */
const EXCLUDED = ['Device', 'Layer', 'SymbolicTensor', 'Tensor', 'WeightCopy'];

const exportOf = (name: string): unknown => {
  const [space, member] = name.split('.') as [string, string?];
  const found = member === undefined ? exported : { initializers, regularizers, schedules }[space];
  return (found as Record<string, unknown>)[member ?? space];
};
const isClass = (value: unknown) => typeof value === 'function' && /^class\b/.test(String(value));
function make(name: string, args: readonly unknown[]): unknown {
  const value = exportOf(name) as new (...args: unknown[]) => unknown;
  return isClass(value) ? new value(...args) : (value as unknown as (...args: unknown[]) => unknown)(...args);
}

function expectSurplusError(name: string, { args, options }: Maker): void {
  expect(make(name, args)).toBeDefined();
  for (const more of [{ reduction: 'sum' }, null, 0, false, () => {}]) {
    const surplus = () => make(name, [...args, more]);
    expect(surplus, `${name}, ${more}`).toThrow(ArgumentError);
    expect(surplus).toThrow(/is an argument more than it takes; leave it out/);
    // Also after an undefined argument.
    expect(() => make(name, [...args, undefined, more])).toThrow(ArgumentError);
  }
  expect(make(name, [...args, undefined])).toBeDefined();
  if (!options) return;
  const callWithUnknownOption = () =>
    make(name, [...args.slice(0, -1), { ...(args.at(-1) as object), nonesuch: undefined }]);
  expect(callWithUnknownOption).toThrow(ArgumentError);
  expect(callWithUnknownOption).toThrow(/there is no option nonesuch/);
  for (const none of [null, 3, 'x', true])
    expect(() => make(name, [...args.slice(0, -1), none])).toThrow(ArgumentError);
}

test.each(Object.entries({ ...classes, ...functions }))('%s: throws for surplus arguments', expectSurplusError);

test('the table of this test has every exported class, and every function that creates a part of a training', () => {
  const loaders = ['ArrayLoader', 'ImageLoader'];
  const found = Object.entries(exported).filter(
    ([, value]) => isClass(value) && !((value as { prototype: unknown }).prototype instanceof Error),
  );
  expect(found.map(([name]) => name).sort()).toEqual([...Object.keys(classes), ...loaders, ...EXCLUDED].sort());
  const created = Object.entries({ initializers, regularizers, schedules }).flatMap(([space, members]) =>
    Object.keys(members).map((name) => `${space}.${name}`),
  );
  const helpers = [
    'initializers.initializerConfig',
    'initializers.initializerOf',
    'regularizers.penaltyRate',
    'regularizers.regularizerOf',
  ];
  const uncalled = Object.keys(initializers).filter((name) => /^(ones|zeros|glorot|he|lecun)/.test(name));
  const known = [...Object.keys(functions), ...helpers, ...uncalled.map((name) => `initializers.${name}`)];
  expect(created.filter((name) => !known.includes(name))).toEqual([]);
  expect(uncalled).toHaveLength(8);
});

test.each([
  'ones',
  'zeros',
  'glorotNormal',
  'glorotUniform',
  'heNormal',
  'heUniform',
  'lecunNormal',
  'lecunUniform',
] as const)('initializers.%s throws if the function is passed without calling it', (name) => {
  for (const argument of [undefined, {}, { seed: 1 }, 3]) {
    const call = () => (initializers[name] as (argument: unknown) => unknown)(argument);
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(/without calling them/);
  }
});

test.each<[string, () => unknown, RegExp]>([
  [
    'a name that is an object',
    () => new tg.Sequential([dense()], { name: 'x' } as never),
    /^Sequential: name must be text/,
  ],
  [
    'a name that is a number',
    () => new tg.Dense({ units: 1, name: 3 as never }),
    /^Dense: name must be text that is not empty, but is 3/,
  ],
  [
    'trainable',
    () => new tg.Dense({ units: 1, trainable: 'no' as never }),
    /^Dense: trainable must be true or false, but is "no"/,
  ],
  [
    'restoreBestWeights',
    () => new tg.EarlyStopping({ restoreBestWeights: 'false' as never }),
    /^EarlyStopping: restoreBestWeights must be true or false/,
  ],
  [
    'saveBestOnly',
    () => new tg.ModelCheckpoint({ path: 'x', saveBestOnly: 1 as never }),
    /^ModelCheckpoint: saveBestOnly must be/,
  ],
  [
    'saveWeightsOnly',
    () => new tg.ModelCheckpoint({ path: 'x', saveWeightsOnly: 'no' as never }),
    /^ModelCheckpoint: saveWeightsOnly must/,
  ],
  [
    'writeGraph',
    () => new tg.TensorBoard({ writeGraph: 0 as never }),
    /^TensorBoard: writeGraph must be true or false/,
  ],
  [
    'deleteCheckpoint',
    () => new tg.BackupAndRestore({ path: 'x', deleteCheckpoint: 'no' as never }),
    /^BackupAndRestore: deleteCheckpoint must/,
  ],
  ['append of CSV', () => new tg.CSVLogger('x', { append: 'no' as never }), /^CSVLogger: append must be true or false/],
  [
    'append of JSONL',
    () => new tg.JSONLLogger('x', { append: 'no' as never }),
    /^JSONLLogger: append must be true or false/,
  ],
  ['nesterov', () => new tg.SGD({ nesterov: 'no' as never }), /^SGD: nesterov must be true or false/],
  ['centered', () => new tg.RMSprop({ centered: 1 as never }), /^RMSprop: centered must be true or false/],
  ['a line that is not a function', () => new tg.ProgressLine({} as never), /^ProgressLine: write must be a function/],
  [
    'a value that is not an update',
    () => new tg.ProgressLine(() => {}, 3 as never),
    /^ProgressLine: update must be a function/,
  ],
  ['a loss that is not a function', () => new tg.CustomLoss({} as never), /^CustomLoss: takes a function/],
  [
    'targets of a loss',
    () => new tg.CustomLoss((a) => a, 'x', 'rows' as never),
    /^CustomLoss: targets must be 'oneHot' or 'labels'/,
  ],
  ['the name of a loss', () => new tg.CustomLoss((a) => a, {} as never), /^CustomLoss: name must be a string/],
])('throws for %s', (_, make, says) => {
  expect(make).toThrow(ArgumentError);
  expect(make).toThrow(says);
});

describeOnDevice('data loaders', (device: Device) => {
  test.each<[string, readonly unknown[]]>([
    ['ArrayLoader', [{ x: [0, 1], shape: [2] }]],
    ['ImageLoader', [images, {}]],
  ])('%s: throws for surplus arguments', (name, args) => {
    const value = exportOf(name) as new (...args: unknown[]) => { dispose(): void };
    new value(device, ...args).dispose();
    for (const more of [{}, null, 0]) {
      expect(() => new value(device, ...args, more)).toThrow(ArgumentError);
      expect(() => new value(device, ...args, more)).toThrow(/is an argument more than it takes/);
    }
  });

  test('WeightCopy: takes only the weights of a model', () => {
    using model = build(device, sigmoid());
    const surplus = () =>
      new (tg.WeightCopy as new (...args: unknown[]) => tg.WeightCopy)(model.parameters, { best: true });
    expect(surplus).toThrow(ArgumentError);
    const other = () => new (tg.WeightCopy as new (...args: unknown[]) => tg.WeightCopy)(model);
    expect(other).toThrow(/^WeightCopy: takes model\.parameters/);
  });
});
