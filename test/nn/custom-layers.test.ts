import { expect, test } from 'vitest';
import {
  ArgumentError,
  argmax,
  Dense,
  DisposedError,
  input,
  Lambda,
  Layer,
  type LayerOptions,
  linear,
  Model,
  mul,
  relu,
  reshape,
  Sequential,
  ShapeError,
  slice,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** A custom layer in plain JavaScript, with a mistake. */
const makeLayer = (
  parts: { kind?: unknown; plan?: unknown; call?: unknown },
  options: LayerOptions = { inputShape: [4] },
): Layer => {
  class Own extends (Layer as unknown as new (options: object) => Layer) {
    override readonly kind = 'Own' as string;
    constructor() {
      super(options);
      Object.assign(this, parts);
    }
    plan(inputShape: readonly number[]) {
      return { outputShape: inputShape, weights: [] };
    }
    call(x: Tensor): Tensor {
      return x;
    }
  }
  return new Own();
};
type ErrorClass = new (...of: never[]) => Error;
const same = { outputShape: [4], weights: [] };
const weight = { name: 'w', shape: [4], initializer: 'ones' };

test.each<[what: string, parts: object, says: RegExp]>([
  ['no plan', { plan: () => undefined }, /^Own: a layer needs plan\(inputShape\).*but it gives undefined/],
  ['a shape alone', { plan: () => [4] }, /^Own: a layer needs plan/],
  [
    'NaN in its shape',
    { plan: () => ({ ...same, outputShape: [Number.NaN] }) },
    /^Own: the outputShape of its plan must be a list of positive integers, but is \[null\]/,
  ],
  ['a negative shape', { plan: () => ({ ...same, outputShape: [-4] }) }, /^Own: the outputShape.*\[-4\]/],
  ['a shape of 0', { plan: () => ({ ...same, outputShape: [0] }) }, /^Own: the outputShape.*\[0\]/],
  ['half a column', { plan: () => ({ ...same, outputShape: [1.5] }) }, /^Own: the outputShape.*\[1.5\]/],
  ['text as a shape', { plan: () => ({ ...same, outputShape: ['4'] }) }, /^Own: the outputShape.*\["4"\]/],
  [
    'a weight of NaN',
    { plan: () => ({ ...same, weights: [{ ...weight, shape: [Number.NaN] }] }) },
    /^Own: the shape of its weight "w" must be/,
  ],
  [
    'a weight of a negative shape',
    { plan: () => ({ ...same, weights: [{ ...weight, shape: [-1] }] }) },
    /^Own: the shape of its weight "w".*\[-1\]/,
  ],
  [
    'a weight without shape',
    { plan: () => ({ ...same, weights: [{ name: 'w', initializer: 'ones' }] }) },
    /^Own: the shape of its weight "w".*undefined/,
  ],
  [
    'a weight without name',
    { plan: () => ({ ...same, weights: [{ ...weight, name: undefined }] }) },
    /^Own: each weight of its plan needs a name/,
  ],
  [
    'no weight',
    { plan: () => ({ ...same, weights: [null] }) },
    /^Own: each weight of its plan needs a name, but one is null/,
  ],
  [
    'two weights with the same name',
    { plan: () => ({ ...same, weights: [weight, weight] }) },
    /^Own: two weights of its plan are called "w"/,
  ],
  [
    'an unknown initializer',
    { plan: () => ({ ...same, weights: [{ ...weight, initializer: 'one' }] }) },
    /^Own: the initializer of its weight "w"/,
  ],
  ['no kind', { kind: undefined }, /needs a kind/],
  ['an empty kind', { kind: '' }, /needs a kind/],
  ['no call', { call: undefined }, /^Own: a layer needs call\(x, \{ weights \}\)/],
])('a plan with %s: throws before build, and names the layer', (_what, parts, says) => {
  expect(() => new Sequential([makeLayer(parts)])).toThrow(ArgumentError);
  expect(() => new Sequential([makeLayer(parts)])).toThrow(says);
});

describeOnDevice('a custom layer that differs from its plan', (device) => {
  const broken: [what: string, parts: object, error: ErrorClass, says: RegExp][] = [
    [
      'another shape',
      { call: (x: Tensor) => slice(x, [0, 0], [-1, 3]) },
      ShapeError,
      /^own: call must return \[2,4\], since its plan returned outputShape \[4\], but returned \[2,3\]/,
    ],
    [
      'another batch',
      { call: (x: Tensor) => slice(x, [0, 0], [1, -1]) },
      ShapeError,
      /^own: call must return \[2,4\].*returned \[1,4\]/,
    ],
    [
      'another rank',
      { call: (x: Tensor) => reshape(x, [8]) },
      ShapeError,
      /^own: call must return \[2,4\].*returned \[8\]/,
    ],
    [
      'integers',
      { call: (x: Tensor) => argmax(x, { axis: 1 }) },
      ArgumentError,
      /^own: call must return numbers of type f32, but returned u32/,
    ],
    ['nothing', { call: () => undefined }, ArgumentError, /^own: call must return a tensor, but returned undefined/],
    ['a list', { call: () => [[1, 2, 3, 4]] }, ArgumentError, /^own: call must return a tensor, but returned \[\[1/],
    [
      'a promise',
      { call: async (x: Tensor) => x },
      ArgumentError,
      /^own: call must return a tensor, but returned a Promise, to be awaited/,
    ],
    [
      'a disposed tensor',
      {
        call: (x: Tensor) => {
          const y = relu(x);
          y.dispose();
          return y;
        },
      },
      ArgumentError,
      /^own: call must return a tensor that can still be used.*\[2,4\]/,
    ],
    [
      'one weight more than planned',
      { call: (x: Tensor, { weights }: { weights: Tensor[] }) => mul(x, weights[0]!) },
      ArgumentError,
      /^own: mul: the right tensor must be a tensor, but is undefined/,
    ],
    [
      'a weight of another shape',
      {
        plan: () => ({ ...same, weights: [{ ...weight, shape: [3, 2] }] }),
        call: (x: Tensor, { weights }: { weights: Tensor[] }) => linear(x, weights[0]!),
      },
      ShapeError,
      /^own: linear: .*\[2,4\].*\[3,2\]/,
    ],
  ];

  test.each(broken)(
    '%s: throws with the name of that layer, not of the next one',
    async (_what, parts, error, says) => {
      using model = new Sequential([makeLayer(parts), new Dense({ units: 2 })]).build(device);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const x = [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ];
      const y = [
        [0, 0],
        [0, 0],
      ];
      const calls = [
        () => model.predict(x),
        () => model.evaluate({ x, y }),
        () => model.fit({ x, y }),
        () => model.trainOnBatch(x, y),
      ];
      for (const call of calls) {
        const refusal = call();
        await expect(refusal).rejects.toThrow(error);
        await expect(refusal).rejects.toThrow(says);
      }
      // The device still works.
      using one = tensor(device, [1], [1]);
      expect([...(await one.data())]).toEqual([1]);
    },
  );

  test('messages have name and kind of a named layer, also in nested models', async () => {
    const scale = makeLayer(
      { call: (x: Tensor) => slice(x, [0, 0], [-1, 3]), kind: 'Scale' },
      { name: 'first', inputShape: [4] },
    );
    const inner = new Sequential([scale], 'inner');
    const x = input([4]);
    using model = new Model({ inputs: x, outputs: new Dense({ units: 2 }).apply(inner.apply(x)) }).build(device);
    await expect(model.predict([1, 2, 3, 4])).rejects.toThrow(
      /^inner \(Sequential\): first \(Scale\): call must return \[1,4\]/,
    );
  });

  test('the plan is checked for the last layer too, and for a layer used twice with different shapes', async () => {
    using last = new Sequential([makeLayer({ call: (x: Tensor) => slice(x, [0, 0], [-1, 3]) })]).build(device);
    await expect(last.predict([1, 2, 3, 4])).rejects.toThrow(/^own: call must return \[1,4\]/);
    const twice = makeLayer({}, {});
    const x = input([4]);
    const y = twice.apply(new Dense({ units: 3 }).apply(twice.apply(x)));
    using model = new Model({ inputs: x, outputs: y }).build(device);
    expect(await model.predict([1, 2, 3, 4])).toHaveLength(3);
  });

  test('throws for an initializer that returns NaN; accepts a penalty by name or with one rate', () => {
    const buildWithInitializer = (values: unknown) => {
      const given = { ...weight, initializer: () => values };
      return () => new Sequential([makeLayer({ plan: () => ({ ...same, weights: [given] }) })]).build(device);
    };
    expect(buildWithInitializer([1, Number.NaN, 3, 4])).toThrow(/^own\/w: the initializer returned NaN as value 1/);
    expect(buildWithInitializer([1, 2, 3])).toThrow(/^own\/w: the initializer returned 3 values/);
    const layerWithRegularizer = (regularizer: unknown) =>
      makeLayer({ plan: () => ({ ...same, weights: [{ ...weight, regularizer }] }) });
    for (const regularizer of ['l2', { l2: 0.01 }]) {
      using model = new Sequential([layerWithRegularizer(regularizer)]).build(device);
      expect(model.weights[0]!.spec.regularizer).toEqual({ l1: 0, l2: 0.01 });
    }
    expect(() => new Sequential([layerWithRegularizer('l3')])).toThrow(/^Own: the regularizer of its weight "w"/);
  });

  test('throws if a layer returns one replica of several', async () => {
    using constant = tensor(device, [1, 2, 3, 4], [1, 4]);
    using model = new Sequential([makeLayer({ call: () => constant })]).build(device, { replicas: 3 });
    await expect(model.predict([1, 2, 3, 4])).rejects.toThrow(
      /^own: call must return values of 3 replicas, but returned values of 1/,
    );
  });

  test('errors of a Lambda have its name; other errors in a layer are unchanged', async () => {
    using lambda = new Sequential([
      new Lambda((x) => slice(x, [0, 0], [-1, 3]), { name: 'cut', inputShape: [4] }),
    ]).build(device);
    await expect(lambda.predict([1, 2, 3, 4])).rejects.toThrow(/^cut \(Lambda\): .*\[4\].*\[1,3\]/);
    const disposed = tensor(device, [1], [1]);
    disposed.dispose();
    using used = new Sequential([makeLayer({ call: (x: Tensor) => mul(x, disposed) })]).build(device);
    await expect(used.predict([1, 2, 3, 4])).rejects.toThrow(DisposedError);
    const error = new RangeError('mine');
    const throwing = () => {
      throw error;
    };
    using mine = new Sequential([makeLayer({ call: throwing })]).build(device);
    await expect(mine.predict([1, 2, 3, 4])).rejects.toBe(error);
  });
});
