import { expect, test } from 'vitest';
import { averagePooling, lenet } from '../../experiments/lenet.ts';
import { fingerprintOf, hashOf, networkKey } from '../../src/cli/fingerprint.ts';
import {
  Adam,
  type CompileOptions,
  Dense,
  Dropout,
  Lambda,
  type Layer,
  mul,
  regularizers,
  relu,
  Sequential,
  SGD,
  SparseCategoricalCrossentropy,
  schedules,
  sub,
  sum,
  type Tensor,
} from '../../src/index.ts';
import { drawImages } from '../support/images.ts';

const squaredError = (y: Tensor, t: Tensor) => sum(mul(sub(y, t), sub(y, t)));
const absolute = (y: Tensor, t: Tensor) => sum(relu(sub(y, t)));

/** The hash of a network with these layers and compile options. */
const key = (layers: () => Layer[], compiled: Partial<CompileOptions> = {}) =>
  hashOf(
    networkKey(new Sequential([new Dense({ units: 4, inputShape: [3] }), ...layers()]), {
      optimizer: 'adam',
      loss: 'meanSquaredError',
      ...compiled,
    }),
  );

test('hashOf: depends on the text of functions, without numbers that a bundler adds', () => {
  const of = (body: string) => hashOf(new Function('x', body));
  expect(of('return names2(x)')).toBe(of('return names13(x)'));
  const different = [
    'return Math.log2(x)',
    'return Math.log10(x)',
    "return x['l2-0.1']",
    "return x['l3-0.1']",
    'return x + 2',
    'return x + 3',
  ];
  expect(new Set(different.map(of)).size).toBe(different.length);
});

test('networkKey: the same network has the same hash; everything that affects the result changes it', () => {
  const none = () => [];
  const make = [
    () => key(none),
    () => key(() => [new Dense({ units: 4 })]),
    () => key(() => [new Dense({ units: 5 })]),
    () => key(() => [new Dense({ units: 4, activation: 'relu' })]),
    () => key(() => [new Dense({ units: 4, kernelRegularizer: regularizers.l2(0.1) })]),
    () => key(() => [new Dense({ units: 4, kernelRegularizer: regularizers.l2(0.2) })]),
    () => key(() => [new Dense({ units: 4, kernelRegularizer: regularizers.l1(0.1) })]),
    () => key(() => [new Dropout(0.1)]),
    () => key(() => [new Dropout(0.2)]),
    () => key(() => [new Lambda((x) => relu(x))]),
    () => key(() => [new Lambda((x) => mul(x, x))]),
    () => key(none, { optimizer: new Adam() }),
    () => key(none, { optimizer: new Adam({ beta1: 0.8 }) }),
    () => key(none, { optimizer: new Adam({ learningRate: [0.1, 0.2] }) }),
    () => key(none, { optimizer: new SGD({ learningRate: 0.1 }) }),
    () => key(none, { optimizer: new SGD({ learningRate: 0.1, momentum: 0.9 }) }),
    () =>
      key(none, {
        optimizer: new SGD({
          learningRate: schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 100, decayRate: 0.9 }),
        }),
      }),
    () =>
      key(none, {
        optimizer: new SGD({
          learningRate: schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 100, decayRate: 0.8 }),
        }),
      }),
    () => key(none, { loss: squaredError }),
    () => key(none, { loss: absolute }),
    () => key(none, { loss: new SparseCategoricalCrossentropy() }),
    () => key(none, { loss: new SparseCategoricalCrossentropy({ fromLogits: true }) }),
    () => key(none, { metrics: ['topK2'] }),
    ...[lenet(), lenet(regularizers.l1(0.01)), averagePooling].map(
      ({ createModel, compile }) =>
        () =>
          hashOf(networkKey(createModel(), compile())),
    ),
  ];
  const hashes = make.map((one) => one());
  expect(make.map((one) => one())).toEqual(hashes);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('hashOf: ignores the order of keys; distinguishes NaN from null', () => {
  expect(hashOf({ a: 1, b: { c: [1, 2], d: 3 } })).toBe(hashOf({ b: { d: 3, c: [1, 2] }, a: 1 }));
  expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
  expect(hashOf(Number.NaN)).not.toBe(hashOf(null));
});

test('fingerprintOf: depends on every pixel, every label and every class name', () => {
  const set = () => drawImages(20);
  const fingerprint = fingerprintOf(set());
  expect(fingerprintOf(set())).toBe(fingerprint);
  const [pixel, label, named] = [set(), set(), set()];
  pixel.images[4000]! ^= 1;
  label.labels[7] = (label.labels[7]! + 1) % 10;
  named.classes[9] = 'other';
  const others = [pixel, label, named, drawImages(19)].map(fingerprintOf);
  expect(new Set([...others, fingerprint]).size).toBe(5);
});

test('networkKey: depends on the weights given to a model, and on whether there are any', () => {
  const of = (values?: number[]) => {
    const inner = new Sequential([new Dense({ units: 1, inputShape: [3] })], 'inner');
    const kernel = { shape: [3, 1], data: Float32Array.from(values ?? []) };
    if (values) inner.setInitialWeights(new Map([['dense/kernel', kernel]]), { partial: true });
    const model = new Sequential([inner, new Dense({ units: 2 })]);
    return hashOf(networkKey(model, { optimizer: 'adam', loss: 'meanSquaredError' }));
  };
  expect(of([1, 2, 3])).toBe(of([1, 2, 3]));
  expect(new Set([of(), of([1, 2, 3]), of([1, 2, 4])]).size).toBe(3);
});
