import { expect, test } from 'vitest';
import { RandomStream } from '../../src/base/random.ts';
import * as tilegrad from '../../src/index.ts';
import {
  Activation,
  Add,
  ArgumentError,
  Average,
  AveragePooling2D,
  BatchNormalization,
  Concatenate,
  Conv2D,
  DataError,
  Dense,
  DepthwiseConv2D,
  Dropout,
  Flatten,
  GlobalAveragePooling2D,
  type Initializer,
  initializers,
  input,
  Lambda,
  Layer,
  type LayerOptions,
  LeakyReLU,
  Maximum,
  MaxPooling2D,
  Minimum,
  Model,
  Multiply,
  mobileNetV2,
  modelConfig,
  modelFromConfig,
  Permute,
  RandomContrast,
  RandomCrop,
  RandomErasing,
  RandomFlip,
  RandomRotation,
  RandomTranslation,
  RandomZoom,
  ReLU,
  Rescaling,
  Reshape,
  Resizing,
  regularizers,
  Sequential,
  type Shape,
  Subtract,
  type Tensor,
  ZeroPadding2D,
} from '../../src/index.ts';

/** Converts to text and back, as a file does. */
const roundTrip = (model: Model, customLayers = {}) =>
  modelFromConfig(JSON.parse(JSON.stringify(modelConfig(model))), customLayers);

/** A layer of each kind, with options that differ from the defaults. */
const layers: Record<string, Layer> = {
  Activation: new Activation('softmax', { name: 'given' }),
  AveragePooling2D: new AveragePooling2D({ poolSize: [2, 3], strides: 1, padding: 'same' }),
  BatchNormalization: new BatchNormalization({
    axis: 1,
    momentum: 0.9,
    epsilon: 0.01,
    center: false,
    gammaInitializer: initializers.zeros,
    gammaRegularizer: 'l2',
    trainable: false,
  }),
  Conv2D: new Conv2D({
    filters: 3,
    kernelSize: [3, 2],
    strides: 2,
    padding: 'same',
    activation: 'elu',
    kernelInitializer: 'heNormal',
    biasInitializer: initializers.ones,
    kernelRegularizer: regularizers.l1l2({ l1: 0.1, l2: 0.2 }),
  }),
  Dense: new Dense({ units: 5, useBias: false, activation: 'softmax', kernelRegularizer: null }),
  DepthwiseConv2D: new DepthwiseConv2D({ kernelSize: 2, dilationRate: 2, depthMultiplier: 3, activation: 'relu' }),
  Dropout: new Dropout(0.25),
  Flatten: new Flatten(),
  GlobalAveragePooling2D: new GlobalAveragePooling2D(),
  LeakyReLU: new LeakyReLU({ negativeSlope: 0.1 }),
  MaxPooling2D: new MaxPooling2D({ poolSize: 3 }),
  Permute: new Permute([3, 1, 2]),
  RandomContrast: new RandomContrast({ factor: [0.1, 0.3], valueRange: [0, 1] }),
  RandomCrop: new RandomCrop({ height: 3, width: 5 }),
  RandomErasing: new RandomErasing({
    factor: [1, 1],
    scale: 0.2,
    fillValue: [0, 0.5, 1, 0],
    valueRange: [0, 1],
    seed: 7,
  }),
  RandomFlip: new RandomFlip({ mode: 'vertical', seed: null }),
  RandomRotation: new RandomRotation({ factor: 0.1, fillMode: 'wrap', interpolation: 'nearest' }),
  RandomTranslation: new RandomTranslation({ heightFactor: [-0.1, 0], widthFactor: 0.2, fillMode: 'nearest' }),
  RandomZoom: new RandomZoom({ heightFactor: 0.1, widthFactor: null, fillMode: 'constant', fillValue: 0.5 }),
  ReLU: new ReLU({ maxValue: 6, negativeSlope: 0.2 }),
  Rescaling: new Rescaling({ scale: 2, offset: -1 }),
  Reshape: new Reshape([-1, 2]),
  Resizing: new Resizing({ height: 3, width: 4, interpolation: 'nearest' }),
  ZeroPadding2D: new ZeroPadding2D({
    padding: [
      [0, 1],
      [2, 3],
    ],
  }),
};
const merges: Record<string, Layer> = {
  Add: new Add(),
  Average: new Average({ name: 'mean' }),
  Concatenate: new Concatenate({ axis: 1 }),
  Maximum: new Maximum(),
  Minimum: new Minimum(),
  Multiply: new Multiply(),
  Subtract: new Subtract(),
};

test('the table of this test has every kind of layer', () => {
  const kinds = Object.entries(tilegrad).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof Layer,
  );
  const known = [...Object.keys(layers), ...Object.keys(merges), 'Lambda', 'Model', 'Sequential'];
  expect(kinds.map(([name]) => name).sort()).toEqual(known.sort());
});

const shape: Shape = [6, 8, 4];
/** The observable part of a layer: its fields, and its output for an input. */
function expectSameLayers(actual: Model, expected: Model): void {
  expect(actual.layers.length).toBe(expected.layers.length);
  for (const [i, layer] of actual.layers.entries()) {
    const other = expected.layers[i]!;
    expect(layer.constructor).toBe(other.constructor);
    const plain = (value: Layer) => JSON.stringify({ ...value, named: 0, inputShape: 0 });
    if (!(layer instanceof Model)) expect(plain(layer)).toBe(plain(other));
    expect(layer.trainable).toBe(other.trainable);
  }
  expect(actual.summary()).toBe(expected.summary());
  expect(modelConfig(actual)).toEqual(modelConfig(expected));
}

test.each(Object.entries(layers))('%s: getConfig restores its options', (kind, layer) => {
  const x = input(shape);
  const model = new Model({ inputs: x, outputs: layer.apply(x), name: 'outer' });
  expect(layer.kind).toBe(kind);
  expectSameLayers(roundTrip(model), model);
});

test.each(Object.entries(merges))('%s: getConfig restores it', (_, layer) => {
  const x = input(shape);
  const model = new Model({ inputs: x, outputs: layer.apply([x, x]) });
  expectSameLayers(roundTrip(model), model);
});

test('Sequential: getConfig restores a layer that it contains twice', () => {
  const shared = new Dense({ units: 4 });
  const layers = [new Flatten({ inputShape: [2, 2] }), shared, new Activation('tanh'), shared];
  const model = new Sequential(layers, 'stack');
  const restored = roundTrip(model);
  expect(restored).toBeInstanceOf(Sequential);
  expect(restored.title).toBe('stack');
  expectSameLayers(restored, model);
  expect(restored.countParams()).toBe(20);
});

test('Model: getConfig restores branches, shared layers, nested models and frozen layers', () => {
  const x = input([4, 4, 3]);
  const convolution = new Conv2D({ filters: 3, kernelSize: 3, padding: 'same' });
  const head = new Sequential([new Flatten({ inputShape: [4, 4, 3] }), new Dense({ units: 2, trainable: false })]);
  const sum = new Add().apply([convolution.apply(x), convolution.apply(convolution.apply(x)), x]);
  const both = new Concatenate().apply([head.apply(sum), head.apply(x)]);
  const model = new Model({ inputs: x, outputs: new Dense({ units: 3, activation: 'softmax' }).apply(both) });
  const restored = roundTrip(model);
  expectSameLayers(restored, model);
  expect(restored.layers).toHaveLength(5);
  const inner = restored.getLayer('sequential') as Model;
  expect(inner).toBeInstanceOf(Sequential);
  expect(inner.getLayer('dense').trainable).toBe(false);
  expect(restored.finalActivation).toBe('softmax');
});

test.each<[name: string, initializer: Initializer]>([
  ['constant', initializers.constant(2.5)],
  ['randomNormal', initializers.randomNormal({ mean: 1, stddev: 0.1 })],
  ['truncatedNormal', initializers.truncatedNormal({ stddev: 0.2 })],
  ['randomUniform', initializers.randomUniform({ min: 0, max: 3 })],
  ['orthogonal', initializers.orthogonal({ gain: 2 })],
  ['glorotNormal', initializers.glorotNormal],
])('initializers: getConfig restores their options: %s', (_, kernelInitializer) => {
  const model = new Sequential([new Dense({ units: 3, kernelInitializer, inputShape: [4] })]);
  const [kernel] = roundTrip(model).plan([4]).weights;
  const draw = (initializer: Initializer) => [...initializer([4, 3], new RandomStream(1, 'initializer', 0))];
  expect(draw(kernel!.initializer)).toEqual(draw(kernelInitializer));
});

test('MobileNetV2: getConfig restores it', () => {
  const model = mobileNetV2({ inputShape: [32, 32, 3], alpha: 0.35, classes: 10 });
  expectSameLayers(roundTrip(model), model);
});

class Scale extends Layer {
  readonly kind = 'Scale';
  readonly by: number;
  constructor(options: LayerOptions & { by: number }) {
    super(options);
    this.by = options.by;
  }
  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }
  call(x: Tensor): Tensor {
    return x;
  }
}

const scaledModel = () => new Sequential([new Flatten({ inputShape: [3] }), new Scale({ by: 3 })]);
test("customLayers: restores a user's class, and the message names it if it is missing", () => {
  expect((roundTrip(scaledModel(), { Scale }).layers[1] as Scale).by).toBe(3);
  expect(() => roundTrip(scaledModel())).toThrow(ArgumentError);
  expect(() => roundTrip(scaledModel())).toThrow(/layer "scale" is a Scale.*customLayers: \{ Scale \}/);
});

class Doubled extends Lambda {
  override readonly kind = 'Doubled';
  constructor(options: LayerOptions = {}) {
    super((x) => x, options);
  }
  override getConfig() {
    return { name: this.name, inputShape: this.inputShape };
  }
}
test('Lambda: getConfig restores a subclass', () => {
  const restored = roundTrip(new Sequential([new Doubled({ inputShape: [3] })]), { Doubled });
  expect(restored.layers[0]).toBeInstanceOf(Doubled);
  expect(restored.outputShape).toEqual([3]);
});

class Double extends Dense {}
class Twice extends Sequential {
  override call(x: Tensor): Tensor {
    return super.call(super.call(x));
  }
}
const first = { inputShape: [3] };
const invalidLayers: [what: string, layer: Layer, says: RegExp][] = [
  ['a Lambda', new Lambda((x) => x, first), /lambda: a Lambda holds a function.*saveWeights/],
  [
    'a custom initializer',
    new Dense({ units: 1, kernelInitializer: (shape, random) => initializers.ones(shape, random), ...first }),
    /dense: kernelInitializer is a function.*saveWeights/,
  ],
  [
    'a class under another name',
    new Double({ units: 1, ...first }),
    /dense: its class has the kind of another class, Dense/,
  ],
  ['an object', new Scale({ by: new Map() as never, ...first }), /scale: by is a Map.*saveWeights/],
  ['a number without end', new Scale({ by: Infinity, ...first }), /scale: by is Inf/],
  [
    'a model that computes something else',
    new Twice([new Flatten(first)]),
    /sequential: its class overrides what its layers compute/,
  ],
];
test.each(invalidLayers)('throws for %s', (_, layer, says) => {
  const model = new Sequential([layer]);
  expect(() => modelConfig(model)).toThrow(ArgumentError);
  expect(() => modelConfig(model)).toThrow(says);
});

/** The config of a small model, with the value at a path replaced. */
function withValueAt(path: (string | number)[], value: unknown): unknown {
  const description = JSON.parse(JSON.stringify(modelConfig(new Sequential([new Flatten(first)]))));
  const parent = path.slice(0, -1).reduce((inside, key) => inside[key], description);
  parent[path.at(-1)!] = value;
  return description;
}
const dropout = { className: 'Dropout', config: { rate: 2, name: 'd' } };
const misspelt = { className: 'Dropout', config: { rate: 0.2, name: 'd', trainble: false } };
test.each<[what: string, description: unknown, says: RegExp]>([
  ['nothing', null, /className and config, but is null/],
  ['a layer for a model', { className: 'Flatten', config: {} }, /Sequential or a Functional.*Flatten/],
  ['no layers', withValueAt(['config', 'layers'], undefined), /needs layers, uses and inputShape/],
  ['a layer without config', withValueAt(['config', 'layers', 0, 'config'], null), /className and config/],
  [
    'an unknown number',
    withValueAt(['config', 'uses', 0, 'layer'], 3),
    /uses\[0\] is .*"layer":3.*but layers are 0 to 0/,
  ],
  ['an input of the future', withValueAt(['config', 'uses', 0, 'inputs'], [1]), /uses\[0\] is .*inputs 0 to 0/],
  ['an impossible option', withValueAt(['config', 'layers', 0], dropout), /Dropout "d": rate must be/],
  ['an unknown option', withValueAt(['config', 'layers', 0], misspelt), /Dropout "d": .* mean trainable\?/],
  ['no uses', withValueAt(['config', 'uses'], []), /at least one/],
])('a config with %s throws', (_, description, says) => {
  expect(() => modelFromConfig(description)).toThrow(DataError);
  expect(() => modelFromConfig(description)).toThrow(says);
});

test("errors of a config name the class once, and a layer's name only if it has one", () => {
  const dense = { className: 'Dense', config: { units: 1, inputShape: [2] } };
  const model = (layers: object[]) => () =>
    modelFromConfig({
      className: 'Sequential',
      config: { inputShape: [2], layers, uses: layers.map((_, i) => ({ layer: i, inputs: [i] })) },
    });
  const same = { ...dense, config: { ...dense.config, name: 'same' } };
  expect(model([same, { ...dense, config: { units: 1, name: 'same' } }])).toThrow(
    /^Sequential: two layers are called same; rename one$/,
  );
  expect(model([{ ...dense, config: { units: -1, name: 'one' } }])).toThrow(/^Dense "one": units must be/);
  expect(model([{ ...dense, config: { units: -1 } }])).toThrow(/^Dense: units must be/);
  expect(model([{ ...dense, config: { units: 1, inputShape: 'x' } }])).toThrow(/^Dense: inputShape must be/);
});
