import { expect, test } from 'vitest';
import {
  Activation,
  Adam,
  AdamW,
  Add,
  ArgumentError,
  ArrayLoader,
  Conv2D,
  confusionMatrix,
  Dense,
  Dropout,
  encodeModel,
  encodeWeights,
  ImageLoader,
  input,
  Lambda,
  loadTuning,
  Model,
  measureCeilings,
  Permute,
  problemsOf,
  profileStep,
  Reshape,
  RMSprop,
  Sequential,
  SGD,
  saveWeights,
  scope,
  softmax,
  sum,
  type Tensor,
  tensor,
  tune,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { build, points, sigmoid } from '../support/points.ts';

// Calls as in Keras, PyTorch and NumPy: each throws, with a message that says what to write here.

/** Untyped, as in plain JavaScript. */
type Loose = (...given: unknown[]) => unknown;
const images = drawImages(4, { shape: [2, 2, 1], classes: 2 });
const x = input([4]);

test.each<[what: string, call: () => unknown, says: RegExp]>([
  [
    'Sequential without layers',
    () => new (Sequential as never as new () => Model)(),
    /Sequential: takes a list of layers, at least one, but was given undefined; there is no add\(\).*new Sequential\(\[/,
  ],
  ['Sequential of an empty list', () => new Sequential([]), /at least one, but was given \[\]; there is no add/],
  [
    'Sequential of layers one after another',
    () =>
      new (Sequential as never as new (...layers: unknown[]) => Model)(
        new Dense({ units: 1 }),
        new Dense({ units: 1 }),
      ),
    /takes a list of layers, at least one, but was given a Dense/,
  ],
  [
    'Sequential of classes',
    () => new Sequential([Dense as never]),
    /number 0 of it is a function or class: make the layer with new/,
  ],
  [
    'Sequential with a hole',
    () => new Sequential([new Dense({ units: 1, inputShape: [2] }), undefined as never]),
    /number 1 of it is undefined/,
  ],
  [
    'Model of two inputs',
    () => new Model({ inputs: [x, input([4])] as never, outputs: x }),
    /Model: a model has one input and one output, but inputs is a list of 2; pass all inputs as one array/,
  ],
  [
    'Model of two outputs',
    () => new Model({ inputs: x, outputs: [x, x] as never }),
    /outputs is a list of 2; join them with a Concatenate layer/,
  ],
  [
    'Model of a list of one',
    () => new Model({ inputs: [x] as never, outputs: x }),
    /inputs is a list of 1; give it without the list/,
  ],
  [
    'Model of input and output',
    () => new (Model as never as new (...given: unknown[]) => Model)(x, x),
    /Model: give input and output by name: new Model\(\{ inputs, outputs \}\)/,
  ],
  [
    'Model of nothing',
    () => new (Model as never as new () => Model)(),
    /Model: options must be an object, but are undefined; give them by name: \{ inputs, name, outputs \}/,
  ],
  [
    'Dense(10)',
    () => new Dense(10 as never),
    /Dense: options must be an object, but are 10; give them by name: \{ activation, .*units/,
  ],
  [
    'Conv2D(32, 3)',
    () => new (Conv2D as never as new (...given: unknown[]) => unknown)(32, 3),
    /Conv2D: options must be an object, but are 32; .*filters.*kernelSize/,
  ],
  [
    'Dropout({ rate })',
    () => new Dropout({ rate: 0.5, inputShape: [2] } as never),
    /Dropout: the rate comes first, as in new Dropout\(0\.5, \{ inputShape \}\), but was given \{"rate":0\.5/,
  ],
  [
    'Activation({ activation })',
    () => new Activation({ activation: 'relu' } as never),
    /Activation: the activation comes first, as in new Activation\('relu', \{ inputShape \}\), but was given \{"activation":"relu"\}/,
  ],
  [
    'Reshape({ targetShape })',
    () => new Reshape({ targetShape: [2, 2] } as never),
    /Reshape: the shape of one sample comes first, as in new Reshape\(\[28, 28, 1\], \{ inputShape \}\), but was given \{"targetShape"/,
  ],
  [
    'Permute({ dims })',
    () => new Permute({ dims: [2, 1] } as never),
    /Permute: the axes come first, as in new Permute\(\[2, 1\], \{ inputShape \}\), but was given \{"dims":\[2,1\]\}/,
  ],
  [
    'Lambda({ function })',
    () => new Lambda({ outputShape: [1] } as never),
    /Lambda: the function comes first, as in new Lambda\(\(x\) => relu\(x\), \{ inputShape \}\), but was given \{"outputShape":\[1\]\}/,
  ],
  [
    'Adam({ lr })',
    () => new Adam({ lr: 1 } as never),
    /Adam: there is no option lr; here it is learningRate\. There are/,
  ],
  ['AdamW({ lr })', () => new AdamW({ lr: 1 } as never), /AdamW: there is no option lr; here it is learningRate\. /],
  ['SGD({ lr })', () => new SGD({ lr: 1 } as never), /SGD: there is no option lr; here it is learningRate\. /],
  [
    'RMSprop({ lr })',
    () => new RMSprop({ lr: 1 } as never),
    /RMSprop: there is no option lr; here it is learningRate\. /,
  ],
  [
    'Add of tensors',
    () => new (Add as never as new (given: unknown) => unknown)([x, x]),
    /Add: options must be an object, but are/,
  ],
  [
    'tensor without a device',
    () => (tensor as Loose)([1, 2], [2]),
    /tensor: the device comes first, as in tensor\(device, data, shape\) after const device = await openDevice\(\), but was given \[1,2\]/,
  ],
  [
    'tensor of a typed array alone',
    () => (tensor as Loose)(Float32Array.of(1, 2)),
    /tensor: the device comes first.*a Float32Array of 2/,
  ],
  [
    'a device that was not awaited',
    () => (tensor as Loose)(Promise.resolve(), [1], [1]),
    /tensor: the device comes first.*a Promise, to be awaited/,
  ],
  [
    'scope without a device',
    () => (scope as Loose)(() => 1),
    /scope: the device comes first, as in scope\(device, \(\) => \.\.\.\)/,
  ],
  [
    'ImageLoader without a device',
    () => new (ImageLoader as never as new (set: unknown) => unknown)(images),
    /ImageLoader: the device comes first, as in new ImageLoader\(device, images\)/,
  ],
  [
    'ArrayLoader without a device',
    () => new (ArrayLoader as never as new (set: unknown) => unknown)({ x: [1], shape: [1] }),
    /ArrayLoader: the device comes first/,
  ],
  ['loadTuning', () => (loadTuning as Loose)(), /loadTuning: the device comes first.*undefined/],
  ['tune', () => (tune as Loose)([]), /tune: the device comes first/],
  ['measureCeilings', () => (measureCeilings as Loose)(), /measureCeilings: the device comes first/],
  [
    'confusionMatrix(y, predicted)',
    () => (confusionMatrix as Loose)([0, 1], [0, 1]),
    /confusionMatrix: the model comes first, as in confusionMatrix\(model, \{ x, y \}\), but was given \[0,1\]/,
  ],
  ['profileStep without a model', () => (profileStep as Loose)(images), /profileStep: the model comes first/],
  ['problemsOf without a model', () => (problemsOf as Loose)(32), /problemsOf: the model comes first/],
  ['encodeModel of nothing', () => (encodeModel as Loose)(), /encodeModel: the model comes first.*undefined/],
  [
    'encodeWeights of a path',
    () => (encodeWeights as Loose)('a.safetensors'),
    /encodeWeights: the model comes first.*"a\.safetensors"/,
  ],
  ['saveWeights to a path first', () => (saveWeights as Loose)('a.safetensors', 3), /the model comes first/],
])('%s', async (_what, call, says) => {
  const refusal = (async () => call())();
  await expect(refusal).rejects.toThrow(ArgumentError);
  await expect(refusal).rejects.toThrow(says);
});

describeOnDevice('calls on a model', (device) => {
  const { x, labels: y } = points();
  const rows = y.map((_, i) => [x[2 * i]!, x[2 * i + 1]!]);
  const together = /takes samples and targets together, as \{ x, y \}, where Keras has \(x, y\); was given/;

  test.each<[what: string, call: (model: Record<string, Loose>) => unknown, says: RegExp]>([
    ['fit(x, y)', (model) => model.fit!(rows, y), together],
    [
      'fit(x, y) of typed arrays',
      (model) => model.fit!(x, Uint8Array.from(y)),
      /fit: takes samples.*a Float32Array of 80 first/,
    ],
    ['fit(x, y, options)', (model) => model.fit!(x, y, { epochs: 2 }), together],
    ['fit(x)', (model) => model.fit!(x), together],
    [
      'fit of arrays with a shape',
      (model) => model.fit!({ shape: [40, 2], data: x }, { shape: [40], data: y }),
      together,
    ],
    ['fit([x, y])', (model) => model.fit!([rows, y]), together],
    ['fit of a tensor', (model) => scope(device, () => model.fit!(tensor(device, x, [40, 2]))), together],
    [
      'fit of a list of batches',
      (model) => model.fit!([{ x, y }]),
      /fit: to train on a list of batches, pass a function that returns it: \(\) => batches/,
    ],
    ['fit of a set of images', (model) => model.fit!(images), /fit: takes \{ x, y \}.*make an ImageLoader of it/],
    ['fit({ x, y }, 10)', (model) => model.fit!({ x, y }, 10), /fit: options must be an object, but are 10; .*epochs/],
    [
      'validationData of (x, y)',
      (model) => model.fit!({ x, y }, { validationData: [rows, y] }),
      /fit: validationData: takes samples and targets together/,
    ],
    ['evaluate(x, y)', (model) => model.evaluate!(rows, y), together],
    ['evaluate(x, y) of typed arrays', (model) => model.evaluate!(x, Float32Array.from(y)), together],
    ['evaluateReplicas(x, y)', (model) => model.evaluateReplicas!(x, y), together],
    ['confusionMatrix(model, x, y)', (model) => (confusionMatrix as Loose)(model, rows, y), together],
    [
      'predict({ x, y })',
      (model) => model.predict!({ x, y }),
      /predict: x must be an array of numbers.*give only its x/,
    ],
    [
      'predict(x, 32)',
      (model) => model.predict!(x, 32),
      /predict: options must be an object, but are 32; give them by name: \{ batchSize, rows, signal \}/,
    ],
    ['predict of a set of images', (model) => model.predict!(images), /make an ImageLoader of it/],
    [
      'trainOnBatch({ x, y })',
      (model) => model.trainOnBatch!({ x, y }),
      /trainOnBatch: x must be an array.*and its y as a second argument/,
    ],
    [
      'testOnBatch({ x, y })',
      (model) => model.testOnBatch!({ x, y }),
      /testOnBatch: x must be an array.*and its y as a second argument/,
    ],
    [
      'compile(optimizer, loss)',
      (model) => model.compile!('adam', 'meanSquaredError'),
      /compile: options must be an object, but are "adam"; give them by name: \{ loss, metrics, optimizer \}/,
    ],
  ])('%s', async (_what, call, says) => {
    using model = build(device, sigmoid());
    const refusal = (async () => call(model as never))();
    await expect(refusal).rejects.toThrow(ArgumentError);
    await expect(refusal).rejects.toThrow(says);
  });

  test.each<[loss: string, meant: string]>([
    ['mse', 'meanSquaredError'],
    ['mae', 'meanAbsoluteError'],
    ['sparse_categorical_crossentropy', 'sparseCategoricalCrossentropy'],
    ['categorical_crossentropy', 'categoricalCrossentropy'],
    ['binaryCrossEntropy', 'binaryCrossentropy'],
  ])("compile: loss: '%s' names %s", (loss, meant) => {
    using model = build(device, sigmoid());
    const call = () => model.compile({ optimizer: 'adam', loss: loss as never });
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(new RegExp(`compile: loss must be .* but is "${loss}"; did you mean ${meant}\\?$`));
  });

  test("compile: optimizer: 'Adam' names adam", () => {
    using model = build(device, sigmoid());
    const call = () => model.compile({ optimizer: 'Adam' as never, loss: 'meanSquaredError' });
    expect(call).toThrow(/compile: optimizer must be .* but is "Adam"; did you mean adam\?$/);
  });

  test.each<[what: string, data: unknown, given: unknown, says: RegExp]>([
    [
      'lists in a list',
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      undefined,
      /, but undefined was given; the shape is the third argument: tensor\(device, data, \[3, 2\]\)$/,
    ],
    ['a list', [1, 2, 3], undefined, /; the shape is the third argument: tensor\(device, data, \[3\]\)$/],
    [
      'a typed array and a number',
      Float32Array.of(1, 2, 3, 4),
      4,
      /, but 4 was given; .*tensor\(device, data, \[4\]\)$/,
    ],
    ['numbers with a shape', { data: [1, 2], shape: [1, 2] }, undefined, /tensor\(device, data, \[1, 2\]\)$/],
    ['options instead', [1, 2], { requiresGrad: true }, /"requiresGrad":true.*tensor\(device, data, \[2\]\)$/],
    ['lists of different lengths', [[1, 2], [3]], undefined, /tensor: entry 1 has shape \[1\], but entry 0 has \[2\]/],
    ['a number', 5, undefined, /tensor must be an array of numbers, but is 5/],
  ])('tensor without a shape, of %s', (_what, data, given, says) => {
    const call = () => (tensor as Loose)(device, data, given);
    expect(call).toThrow(/^tensor/);
    expect(call).toThrow(says);
  });

  test('item: the message for several elements names replicas if there are several', async () => {
    using a = tensor(device, [1, 2], [2]);
    using b = tensor(device, [1, 2], [], { models: 2 });
    await expect(a.item()).rejects.toThrow(/^item: the tensor must have one element, but has shape \[2\]$/);
    await expect(b.item()).rejects.toThrow(/^item: the tensor must have one element, but has shape \[\] x 2 replicas$/);
  });

  test.each<[what: string, call: (a: Tensor) => unknown, says: RegExp]>([
    [
      'sum(a, 1)',
      (a) => (sum as Loose)(a, 1),
      /sum: options must be an object, but are 1; give them by name: \{ axis, keepDims \}/,
    ],
    [
      'softmax(a, -1)',
      (a) => (softmax as Loose)(a, -1),
      /softmax: options must be an object, but are -1; give them by name: \{ axis \}/,
    ],
  ])('%s', (_what, call, says) => {
    using a = tensor(device, [1, 2], [1, 2]);
    expect(() => call(a)).toThrow(ArgumentError);
    expect(() => call(a)).toThrow(says);
  });
});
