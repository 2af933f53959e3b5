import { expect, test } from 'vitest';
import {
  Activation,
  Adam,
  Add,
  ArgumentError,
  add,
  BatchNormalization,
  Conv2D,
  conv2d,
  Dense,
  Dropout,
  Flatten,
  ImageLoader,
  input,
  type Layer,
  linear,
  Model,
  mul,
  noGrad,
  reshape,
  Sequential,
  type Shape,
  ShapeError,
  type SymbolicTensor,
  scope,
  softmax,
  sum,
  type TilegradError,
  tensor,
} from '../../src/node.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { drawLike } from '../support/operator-cases.ts';

const image: Shape = [6, 6, 3];

/** A residual connection around a convolution, then a head. */
function residual(): Model {
  const x = input(image);
  const y = new Conv2D({ filters: 3, kernelSize: 3, padding: 'same', activation: 'relu', name: 'inner' }).apply(x);
  const sum = new Add().apply([x, y]);
  const flat = new Flatten().apply(sum);
  return new Model({ inputs: x, outputs: new Dense({ units: 4, activation: 'softmax' }).apply(flat) });
}

test('summary: shows the branches', () => {
  const lines = residual().summary().split('\n');
  expect(lines[0]).toBe('Model: "functional"');
  const row = (start: string) => lines.find((line) => line.startsWith(start))!.split(/ {2,}/);
  expect(row('Layer')).toEqual(['Layer (type)', 'Output Shape', 'Param #', 'Connected to']);
  expect(row('inner')).toEqual(['inner (Conv2D)', '(None, 6, 6, 3)', '84', 'input']);
  expect(row('add')).toEqual(['add (Add)', '(None, 6, 6, 3)', '0', 'input, inner']);
  expect(row('dense')).toEqual(['dense (Dense)', '(None, 4)', '436', 'flatten']);
  expect(lines.at(-3)).toBe('Total params: 520 (2.03 KB)');
});

test('getLayer: finds layers by name and by index', () => {
  const model = residual();
  expect(model.layers.map(({ name }) => name)).toEqual(['inner', 'add', 'flatten', 'dense']);
  expect(model.getLayer('inner')).toBe(model.layers[0]);
  expect(() => model.getLayer('outer')).toThrow(/outer.*inner, add, flatten, dense/);
});

test('getLayer: suggests a similar name, also in nested models, and lists the first names', () => {
  const layers = Array.from({ length: 7 }, (_, i) => new Dense({ units: 2, name: `block_${i}_expand` }));
  const inner = new Sequential([new Flatten({ inputShape: [2, 1] }), ...layers], 'extractor');
  const model = new Sequential([inner, new Dense({ units: 2, name: 'head' })], 'whole');
  expect(() => inner.getLayer('block_4_expandd')).toThrow(
    /^getLayer: extractor has no layer "block_4_expandd"; did you mean block_4_expand\? Its layers are flatten, block_0_expand, block_1_expand, block_2_expand, block_3_expand and 3 more$/,
  );
  const path = "did you mean getLayer('extractor').getLayer('block_4_expand')? Its layers are extractor, head";
  for (const name of ['block_4_expand', 'block_4_expandd']) {
    expect(() => model.getLayer(name)).toThrow(`getLayer: whole has no layer "${name}"; ${path}`);
  }
  expect(() => new Sequential([model]).getLayer('block_4_expand')).toThrow(
    "did you mean getLayer('whole').getLayer('extractor').getLayer('block_4_expand')?",
  );
  expect(() => model.getLayer(3 as never)).toThrow(/^getLayer: whole has no layer 3; its layers are extractor, head$/);
});

const two = () => [input([4]), input([4])] as const;
const asTensor = (value: unknown) => value as SymbolicTensor;
const dense = (units = 2, name?: string) => new Dense({ units, ...(name ? { name } : {}) });
const invalidCalls: [what: string, call: () => unknown, error: typeof TilegradError, says: string[]][] = [
  ['an input that is not a shape', () => input([0, 3]), ArgumentError, ['input', '[0,3]']],
  ['apply on a shape', () => dense().apply(asTensor([4])), ArgumentError, ['Dense', 'input()', '[4]']],
  ['apply on nothing', () => dense().apply([]), ArgumentError, ['Dense', '[]']],
  ['two inputs for one', () => dense().apply(two()), ArgumentError, ['Dense', 'one input', '2', '[4], [4]']],
  [
    'a shape that does not fit',
    () => new Conv2D({ filters: 1, kernelSize: 1 }).apply(input([4])),
    ShapeError,
    ['Conv2D'],
  ],
  ['a sum of one', () => new Add().apply(input([4])), ArgumentError, ['Add', 'two inputs']],
  ['a sum of two shapes', () => new Add().apply([input([4]), input([3])]), ShapeError, ['Add', '[4], [3]']],
  [
    'an output of another input',
    () => new Model({ inputs: two()[0], outputs: dense().apply(two()[1]) }),
    ArgumentError,
    ['Model', 'another input'],
  ],
  [
    'an output of two inputs',
    () => {
      const [a, b] = two();
      return new Model({ inputs: a, outputs: new Add().apply([a, b]) });
    },
    ArgumentError,
    ['another input'],
  ],
  [
    'input and output the same',
    () => {
      const [a] = two();
      return new Model({ inputs: a, outputs: a });
    },
    ArgumentError,
    ['does not come from'],
  ],
  ['no input', () => new Model({ outputs: dense().apply(input([4])) } as never), ArgumentError, ['Model', 'undefined']],
  [
    'one name twice',
    () => {
      const [a] = two();
      return new Model({ inputs: a, outputs: dense(2, 'same').apply(dense(2, 'same').apply(a)) });
    },
    ArgumentError,
    ['two layers are called same'],
  ],
  [
    'shared weights of two shapes',
    () => {
      const x = input([4]);
      const shared = dense(3);
      return new Model({ inputs: x, outputs: shared.apply(shared.apply(x)) });
    },
    ShapeError,
    ['Dense', 'used twice', '[4,3], [3]', '[3,3], [3]'],
  ],
  [
    'a model inside another on the wrong samples',
    () => new Sequential([new Flatten({ inputShape: [2] }), residual()]),
    ShapeError,
    ['[6,6,3]', '[2]'],
  ],
];

test.each(invalidCalls.map((row) => [row[0], row] as const))('throws for %s', (_what, [, call, error, says]) => {
  let thrown: unknown;
  try {
    call();
  } catch (reason) {
    thrown = reason;
  }
  expect(thrown).toBeInstanceOf(error);
  for (const part of says) expect((thrown as Error).message).toContain(part);
});

describeOnDevice('functional models', (device) => {
  const images = () => new ImageLoader(device, drawImages(24, { shape: [6, 6, 3], classes: 4 }));
  const compile = (model: Model) =>
    model.compile({ optimizer: new Adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' });

  test('a residual connection has the same bits as separate operators, forward and backward', async () => {
    const model = residual().build(device, { seed: 3 });
    const x = drawLike([2, ...image], 5);
    const dy = drawLike([2, 4], 6);
    const [kernel, bias, head, headBias] = await Promise.all(model.weights.map(({ tensor }) => tensor.data()));
    const results = async (output: () => ReturnType<typeof softmax>, leaves: () => { grad: unknown }[]) => {
      const y = output();
      y.backward(tensor(device, dy.data, dy.shape));
      const grads = leaves().map(({ grad }) => (grad as ReturnType<typeof softmax>).data());
      return Promise.all([y.data(), ...grads]);
    };
    const ours = await results(
      () => model.call(tensor(device, x.data, x.shape), { training: true }),
      () => model.weights.map(({ tensor }) => tensor),
    );
    const leaf = (data: ArrayLike<number>, shape: Shape) => tensor(device, data, shape, { requiresGrad: true });
    const leaves = [
      leaf(kernel!, [3, 3, 3, 3]),
      leaf(bias!, [3]),
      leaf(head!, [108, 4]),
      leaf(headBias!, [4]),
    ] as const;
    const byHand = await results(
      () => {
        const input = tensor(device, x.data, x.shape);
        const y = conv2d(input, leaves[0], leaves[1], { padding: 'same', activation: 'relu' });
        return softmax(linear(reshape(add(input, y), [2, 108]), leaves[2], leaves[3]));
      },
      () => [...leaves],
    );
    for (const [i, values] of ours.entries()) expectSameBits(values, byHand[i]!);
    model.dispose();
  });

  test('a layer that is used twice has one set of weights, with the sum of both gradients', async () => {
    const x = input([3]);
    const shared = new Dense({ units: 3, useBias: false });
    const model = new Model({ inputs: x, outputs: shared.apply(shared.apply(x)) }).build(device, { seed: 2 });
    expect(model.countParams()).toBe(9);
    const w = Array.from(await model.weights[0]!.tensor.data());
    const data = [0.5, -1, 2];
    sum(model.call(tensor(device, data, [1, 3]), { training: true })).backward();
    const grad = await model.weights[0]!.tensor.grad!.data();
    const times = (v: number[]) => [0, 1, 2].map((j) => v.reduce((s, vi, i) => s + vi * w[3 * i + j]!, 0));
    const hidden = times(data);
    // y = (x W) W: dW = x^T (1 W^T) + (x W)^T 1
    const dx = [0, 1, 2].map((i) => w[3 * i]! + w[3 * i + 1]! + w[3 * i + 2]!);
    const expected = data.flatMap((v, i) => dx.map((b) => v * b + hidden[i]!));
    expectClose(grad, expected, { rtol: 1e-5, magnitude: expected.map(() => 4) });
    model.dispose();
  });

  /** The same layers in sequence, and with two of them in nested models. */
  function flatAndNested(): [Model, Model] {
    const make = (): [Layer, Layer, Layer, Layer, Layer, Layer] => [
      new Conv2D({ filters: 4, kernelSize: 3, activation: 'relu', kernelRegularizer: 'l2', inputShape: image }),
      new Dropout(0.3),
      new BatchNormalization(),
      new Flatten({ inputShape: [4, 4, 4] }),
      new Dropout(0.2),
      new Dense({ units: 4, activation: 'softmax' }),
    ];
    const [a, b, c, d, e, f] = make();
    return [
      new Sequential(make()),
      new Sequential([new Sequential([a, b, c], 'features'), new Sequential([d, e, f], 'head')]),
    ];
  }

  test('nested models train to the same bits as their layers in sequence', async () => {
    const [flat, nested] = flatAndNested();
    expect(nested.countParams()).toBe(flat.countParams());
    const histories = [];
    for (const model of [flat, nested]) {
      compile(model.build(device, { seed: 4 }));
      histories.push(await model.fit(images(), { epochs: 2, batchSize: 8, seed: 1 }));
    }
    const losses = histories.map(({ epochs }) => epochs.map(({ loss, accuracy }) => [loss, accuracy]));
    expect(losses[1]).toEqual(losses[0]);
    expect(nested.weights.map(({ name }) => name)).toEqual([
      'features/conv2d/kernel',
      'features/conv2d/bias',
      'features/batch_normalization/gamma',
      'features/batch_normalization/beta',
      'features/batch_normalization/moving_mean',
      'features/batch_normalization/moving_variance',
      'head/dense/kernel',
      'head/dense/bias',
    ]);
    for (const [i, { tensor }] of nested.weights.entries()) {
      expectSameBits(await tensor.data(), await flat.weights[i]!.tensor.data());
    }
    for (const model of [flat, nested]) model.dispose();
  });

  test('a built model that is nested passes on a copy of its weights, at any depth', async () => {
    const inner = new Sequential([new Dense({ units: 3, inputShape: [2] })]).build(device, { seed: 9 });
    const middle = new Sequential([inner, new Dense({ units: 2 })]);
    const outer = new Sequential([middle, new Activation('relu')]).build(device, { seed: 1 });
    const [theirs, ours] = [inner.weights[0]!.tensor, outer.weights[0]!.tensor];
    expectSameBits(await ours.data(), await theirs.data());
    device.upload(theirs.array.storage, new Float32Array(6));
    expect(Array.from(await ours.data()).every((v) => v === 0)).toBe(false);
    for (const model of [inner, outer]) model.dispose();
  });

  test('a frozen nested model does not change; its last layers can be unfrozen', async () => {
    const [, model] = flatAndNested();
    const features = model.layers[0] as Model;
    features.trainable = false;
    expect(model.trainable).toBe(true);
    compile(model.build(device));
    const values = () => Promise.all(model.weights.map(({ tensor }) => tensor.data()));
    const before = await values();
    await model.fit(images(), { epochs: 1, batchSize: 8 });
    const frozen = await values();
    for (let i = 0; i < 6; i++) expectSameBits(frozen[i]!, before[i]!); // batch norm's statistics included
    expect(Array.from(frozen[6]!)).not.toEqual(Array.from(before[6]!));
    expect(model.summary().split('\n').at(-2)).toBe('Trainable params: 260 (1.02 KB)');
    for (const layer of features.layers.slice(-1)) layer.trainable = true;
    await model.fit(images(), { epochs: 1, batchSize: 8 });
    const tuned = await values();
    for (let i = 0; i < 2; i++) expectSameBits(tuned[i]!, before[i]!);
    for (let i = 2; i < 6; i++) expect(Array.from(tuned[i]!)).not.toEqual(Array.from(before[i]!));
    model.dispose();
  });

  test('inference keeps values that a later layer reads, and releases the others', async () => {
    const x = input([64]);
    const early = new Activation('tanh').apply(x);
    let y = early;
    for (let i = 0; i < 20; i++) y = new Activation(i % 2 ? 'sigmoid' : 'linear').apply(y);
    const model = new Model({ inputs: x, outputs: new Add().apply([early, y]) }).build(device);
    const host = drawLike([16, 64], 2);
    const batch = tensor(device, host.data, host.shape);
    const program = device.record(() => scope(device, () => noGrad(() => void model.call(batch))));
    expect(program.bytes).toBeLessThanOrEqual(4 * 4 * 16 * 64);
    program.dispose();
    const out = await scope(device, () => noGrad(() => model.call(batch))).data();
    const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
    const expected = Array.from(host.data, (v) => {
      let s = Math.tanh(v);
      const t = s;
      for (let i = 0; i < 10; i++) s = sigmoid(s);
      return t + s;
    });
    expectClose(out, expected, { rtol: 1e-5, magnitude: expected.map(() => 1) });
    batch.dispose();
    model.dispose();
  });

  test('values that the backward pass needs are never released', async () => {
    // The first layer is frozen and the second is not: the second's weight gradient reads the first's output.
    const x = input([3]);
    const hidden = new Dense({ units: 3, useBias: false, trainable: false }).apply(x);
    const model = new Model({
      inputs: x,
      outputs: new Add().apply([
        hidden,
        new Dense({ units: 3, useBias: false }).apply(new Activation('linear').apply(hidden)),
      ]),
    }).build(device, { seed: 6 });
    const data = [1, 2, 3];
    const first = Array.from(await model.weights[0]!.tensor.data());
    const y = model.call(tensor(device, data, [1, 3]), { training: true });
    const clutter = [1, 2, 3, 4].map(() => mul(y, 3)); // would overwrite released memory
    sum(y).backward();
    const expected = [0, 1, 2].flatMap((j) => {
      const h = data.reduce((s, v, i) => s + v * first[3 * i + j]!, 0);
      return [h, h, h];
    });
    expectClose(await model.weights[1]!.tensor.grad!.data(), expected, {
      rtol: 1e-5,
      magnitude: expected.map(() => 6),
    });
    for (const one of clutter) one.dispose();
    model.dispose();
  });
});
