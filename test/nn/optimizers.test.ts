import { expect, test } from 'vitest';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import { ParameterStore } from '../../src/nn/weights/parameters.ts';
import { Adam, AdamW, ArgumentError, type Optimizer, RMSprop, SGD, zeros } from '../../src/node.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { adamwStep, rmspropStep, type Slots, sgdStep, slotsOf } from '../reference/optimizers.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';
import { optimizerBench } from '../support/optimizer-bench.ts';

/** Two weights with a gap between them, and one in the middle whose layer may be frozen. */
const SHAPES = [[7, 9], [65], [1]];

// Gradients of all magnitudes, and one element whose gradient is always 0.
const gradientsAt = (t: number): NdArray[] =>
  SHAPES.map((shape, k) =>
    map(drawLike(shape, 100 * k + t), (g, i) => Math.fround(i === 7 ? 0 : g * 10 ** ((i % 7) - 3))),
  );

type Step = (weight: NdArray, grad: NdArray, slots: Slots, t: number) => void;
const row = <O>(
  name: string,
  create: (options: O) => Optimizer,
  reference: (weight: NdArray, grad: NdArray, slots: Slots, t: number, options: O) => void,
  options: O,
) => ({
  name,
  options,
  create: () => create(options),
  step: ((weight, grad, slots, t) => reference(weight, grad, slots, t, options)) as Step,
});

const sgd = (options: object) => row('SGD', (o) => new SGD(o), sgdStep, options);
const rmsprop = (options: object) => row('RMSprop', (o) => new RMSprop(o), rmspropStep, options);
const adamw = (options: object) => row('AdamW', (o) => new AdamW(o), adamwStep, options);
const cases = [
  // Defaults first: they must equal Keras's, which the reference has.
  sgd({}),
  sgd({ momentum: 0.9 }),
  sgd({ learningRate: 0.003, momentum: 0.7, nesterov: true }),
  sgd({ nesterov: true }),
  rmsprop({}),
  rmsprop({ momentum: 0.9, learningRate: 0.01 }),
  rmsprop({ centered: true }),
  rmsprop({ centered: true, momentum: 0.5, rho: 0.8, epsilon: 1e-3 }),
  adamw({}),
  adamw({ weightDecay: 0.3, learningRate: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-4 }),
  row('Adam', () => new Adam(), adamwStep, { weightDecay: 0 }),
];

describeOnDevice('optimizers', (device) => {
  test.each(cases)('$name $options agrees with the reference over 20 steps', async ({ create, step }) => {
    const { start, store, step: onDevice, dispose } = optimizerBench(device, SHAPES, create());
    const expected = start.map(({ shape, data }) => ndarray(shape, data));
    const slots = expected.map(slotsOf);
    for (let t = 1; t <= 20; t++) {
      const gradients = gradientsAt(t);
      expected.forEach((weight, k) => {
        step(weight, gradients[k]!, slots[k]!, t);
      });
      onDevice(gradients);
    }
    for (const [k, weight] of store.weights.entries()) {
      const distance = map(expected[k]!, (w, i) => 1 + Math.abs(w) + Math.abs(w - start[k]!.data[i]!)).data;
      expectClose(await weight.tensor.data(), expected[k]!.data, { magnitude: distance, rtol: 3e-6 }, weight.name);
      expect(expected[k]!.data).not.toEqual(start[k]!.data);
    }
    dispose();
  });

  test.each(cases)('$name $options: a frozen weight keeps its bits', async ({ create }) => {
    for (const frozen of [0, 1]) {
      const { start, store, step, dispose } = optimizerBench(device, SHAPES, create(), { frozen });
      for (let t = 1; t <= 2; t++) step(gradientsAt(t));
      for (const [k, { tensor }] of store.weights.entries()) {
        const same = [...(await tensor.data())].every((w, i) => w === start[k]!.data[i]);
        expect(same, `weight ${k}, frozen ${frozen}`).toBe(k === frozen);
      }
      dispose();
    }
  });

  test.each(cases)('$name $options: a NaN gradient makes only its weight NaN', async (entry) => {
    const { store, step, dispose } = optimizerBench(device, SHAPES, entry.create());
    step(gradientsAt(1).map((gradient, k) => map(gradient, (g, i) => (k === 1 && i === 3 ? Number.NaN : g))));
    for (const [k, { tensor }] of store.weights.entries()) {
      const bad = [...(await tensor.data())].flatMap((w, i) => (Number.isNaN(w) ? [i] : []));
      expect(bad).toEqual(k === 1 ? [3] : []);
    }
    dispose();
  });

  test('an update takes one dispatch, plus one for each frozen weight between trainable ones', () => {
    for (const [frozen, dispatches] of [
      [-1, 1],
      [0, 1],
      [1, 2],
      [2, 1],
    ] as const) {
      for (const { create } of cases) {
        const { step, dispose } = optimizerBench(device, SHAPES, create(), { frozen });
        const before = device.counters.dispatches;
        step(gradientsAt(1));
        expect(device.counters.dispatches - before).toBe(dispatches);
        dispose();
      }
    }
  });

  test('centered RMSprop stays finite for a large constant gradient, whose variance cancels in f32', async () => {
    const { store, step, dispose } = optimizerBench(device, SHAPES, new RMSprop({ centered: true }));
    for (let t = 1; t <= 200; t++) step(SHAPES.map((shape) => map(ndarray(shape), () => 12345.678)));
    for (const { tensor } of store.weights) expect([...(await tensor.data())].every(Number.isFinite)).toBe(true);
    dispose();
  });

  test('throw for apply before build, and for a second model', () => {
    const optimizer = new SGD();
    const { store, dispose } = optimizerBench(device, SHAPES, optimizer);
    const state = new StepState(device);
    expect(() => new SGD().apply(store, state)).toThrow(/SGD: apply\(\) before build/);
    const other = new ParameterStore(device, [{ name: 'w', shape: [1], initializer: zeros }], 0);
    expect(() => optimizer.build(other)).toThrow(/another model/);
    other.dispose();
    state.dispose();
    dispose();
  });
});

test.each([
  ['SGD', () => new SGD({ learningRate: -1 }), 'learningRate'],
  ['SGD', () => new SGD({ momentum: 1.5 }), 'momentum'],
  ['SGD', () => new SGD(null as unknown as object), 'null'],
  ['RMSprop', () => new RMSprop({ rho: 1 }), 'rho'],
  ['RMSprop', () => new RMSprop({ momentum: -0.1 }), 'momentum'],
  ['RMSprop', () => new RMSprop({ epsilon: 0 }), 'epsilon'],
  ['AdamW', () => new AdamW({ weightDecay: -1 }), 'weightDecay'],
  ['AdamW', () => new AdamW({ beta1: 1 }), 'beta1'],
  ['SGD', () => new SGD({ learningRate: '0.1' as unknown as number }), 'learningRate'],
  [
    'SGD',
    () => {
      new SGD().learningRate = Number.NaN;
    },
    'learningRate',
  ],
  [
    'Adam',
    () => {
      new Adam({ learningRate: [1, 2, 3] }).learningRate = [0.1, 0.2];
    },
    'has 3 learning rates.* not 2',
  ],
  ['SGD', () => new SGD({ learningRate: () => -1 }).learningRate, 'schedule'],
] as const)('%s: throws for %s', (kind, create, says) => {
  expect(create).toThrow(ArgumentError);
  expect(create).toThrow(new RegExp(`${kind}.*${says}`));
});
