import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  BatchNormalization,
  DataError,
  Dense,
  type Device,
  DisposedError,
  decodeModel,
  decodeWeights,
  encodeModel,
  encodeSafetensors,
  encodeWeights,
  input,
  Layer,
  Model,
  modelConfig,
  modelFromConfig,
  Sequential,
  type Shape,
  ShapeError,
  type Tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

const inner = () =>
  new Sequential(
    [new Dense({ units: 3, inputShape: [2], name: 'first' }), new BatchNormalization({ name: 'norm' })],
    'inner',
  );
const SIZES = { 'first/kernel': [2, 3], 'first/bias': [3] };
const NORM = { 'norm/gamma': [3], 'norm/beta': [3], 'norm/moving_mean': [3], 'norm/moving_variance': [3] };

/** Distinct values for all elements. */
function valuesFor(sizes: Record<string, readonly number[]>, from = 1) {
  let next = from;
  const array = (shape: readonly number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next++),
  });
  return new Map(Object.entries(sizes).map(([name, shape]) => [name, array(shape)]));
}
const all = (from = 1) => valuesFor({ ...SIZES, ...NORM }, from);
const read = async (model: Model) =>
  new Map(
    await Promise.all(model.weights.map(async ({ name, tensor }) => [name, Array.from(await tensor.data())] as const)),
  );
const lists = (values: ReturnType<typeof all>, prefix = '') =>
  new Map([...values].map(([name, { data }]) => [prefix + name, Array.from(data)]));

test('setInitialWeights: throws for an unknown weight, names it, and changes nothing', () => {
  const model = inner();
  const expectRefused = (
    change: (values: ReturnType<typeof all>) => unknown,
    Kind: new (message: string) => Error,
    message: RegExp,
  ) => {
    const values = all();
    const given = change(values) ?? values;
    expect(() => model.setInitialWeights(given as never)).toThrow(Kind);
    expect(() => model.setInitialWeights(given as never)).toThrow(message);
  };
  expectRefused(
    (values) => values.set('frist/bias', values.get('first/bias')!),
    ArgumentError,
    /no weight frist\/bias.*first\/bias\?/,
  );
  expectRefused((values) => void values.delete('norm/beta'), ArgumentError, /no values for norm\/beta.*partial: true/);
  expectRefused(
    (values) => values.set('first/kernel', { shape: [3, 2], data: new Float32Array(6) }),
    ShapeError,
    /inner: first\/kernel has shape \[2,3\], but its values have \[3,2\]/,
  );
  expectRefused(
    (values) => values.set('first/bias', { shape: [3], data: new Float32Array(2) }),
    ShapeError,
    /first\/bias: shape \[3\] needs 3 numbers, but data has 2/,
  );
  expectRefused(
    (values) => values.set('first/bias', { shape: [3], data: Float32Array.of(0, Number.NaN, 1) }),
    DataError,
    /first\/bias: value 1 is NaN, but weights must be finite/,
  );
  expectRefused(
    (values) => values.set('first/bias', { shape: [3], data: Float64Array.of(0, 1, 1e39) as never }),
    DataError,
    /first\/bias: value 2 is 1e\+39/,
  );
  expectRefused(() => [1, 2], ArgumentError, /takes a Map/);
  expectRefused(() => new Map([[1, 2]]), ArgumentError, /takes a Map/);
  expect(() => model.setInitialWeights(all(), { partail: true } as never)).toThrow(/did you mean partial/);
});

describeOnDevice('setInitialWeights', (device: Device) => {
  /** A model with drawn weights, and the same model with values for some of them. */
  test('build: uses the given values; all other weights are drawn as before', async () => {
    const drawn = await read(inner().build(device, { seed: 4 }));
    const model = inner();
    const some = valuesFor({ 'norm/moving_mean': [3], 'first/bias': [3] });
    model.setInitialWeights(some, { partial: true }).build(device, { seed: 4 });
    expect(await read(model)).toEqual(new Map([...drawn, ...lists(some)]));
    expect(drawn.get('first/kernel')).toEqual((await read(model)).get('first/kernel'));
    expect(() => model.setInitialWeights(all())).toThrow(/inner: already built.*loadWeights/);
    model.dispose();
  });

  test('setInitialWeights: a partial call adds to the values given before, a complete one replaces them', async () => {
    const model = inner().setInitialWeights(all());
    const bias = valuesFor({ 'first/bias': [3] }, 50);
    model.setInitialWeights(bias, { partial: true });
    expect(() => model.setInitialWeights(new Map([['x', { shape: [1], data: [1] }]]), { partial: true })).toThrow(
      ArgumentError,
    );
    expect(await read(model.build(device))).toEqual(new Map([...lists(all()), ...lists(bias)]));
    const other = inner().setInitialWeights(bias, { partial: true }).setInitialWeights(all(7));
    expect(await read(other.build(device))).toEqual(lists(all(7)));
    for (const one of [model, other]) one.dispose();
  });

  test('setInitialWeights: values of a nested model are used by all models that contain it, at any depth', async () => {
    const base = inner();
    const middle = new Sequential([base, new Dense({ units: 2, name: 'second' })], 'middle');
    const outer = new Sequential([middle, new Dense({ units: 1, name: 'third' })]);
    const plain = () =>
      new Sequential([
        new Sequential([inner(), new Dense({ units: 2, name: 'second' })], 'middle'),
        new Dense({ units: 1, name: 'third' }),
      ]);
    base.setInitialWeights(all()); // after it became part of the others
    const drawn = await read(plain().build(device, { seed: 2 }));
    const expected = new Map([...drawn, ...lists(all(), 'middle/inner/')]);
    expect(await read(outer.build(device, { seed: 2 }))).toEqual(expected);
    const second = new Sequential([base, new Dense({ units: 5 })]).build(device);
    expect([...(await read(second))].slice(0, 6)).toEqual([...lists(all(), 'inner/')]);
    for (const model of [outer, second]) model.dispose();
  });

  test('setInitialWeights: values of the outer model have priority over the weights of a built inner model, and those over its values', async () => {
    const base = inner().setInitialWeights(all(100)).build(device);
    device.upload(base.weights[1]!.tensor.array.storage, Float32Array.of(7, 8, 9)); // as training would
    const outer = new Sequential([base]);
    outer.setInitialWeights(valuesFor({ 'inner/norm/gamma': [3] }), { partial: true });
    const values = await read(outer.build(device));
    expect(values.get('inner/first/kernel')).toEqual([100, 101, 102, 103, 104, 105]);
    expect(values.get('inner/first/bias')).toEqual([7, 8, 9]);
    expect(values.get('inner/norm/gamma')).toEqual([1, 2, 3]);
    for (const model of [base, outer]) model.dispose();
  });

  test('build: every replica uses the given values; drawn ones follow its seed', async () => {
    const kernel = valuesFor({ 'first/kernel': [2, 3] });
    const make = () =>
      new Sequential([inner().setInitialWeights(kernel, { partial: true }), new Dense({ units: 2, name: 'head' })]);
    const alone = await Promise.all(
      [0, 1, 2].map(async (r) => (await read(make().build(device, { seed: 3 + r }))).get('head/kernel')!),
    );
    expect(alone[0]).not.toEqual(alone[1]);
    const built = make().build(device, { seed: 3, replicas: 3 });
    const replicated = make().build(device, { seed: 3 });
    (replicated.layers[0] as Model).setInitialWeights(valuesFor({ 'first/kernel': [2, 3] }, 60), { partial: true });
    replicated.replicate(3); // replicas start with the initial values, not with those given since
    for (const model of [built, replicated]) {
      const values = await read(model);
      const one = [1, 2, 3, 4, 5, 6];
      expect(values.get('inner/first/kernel')).toEqual([...one, ...one, ...one]);
      expect(values.get('head/kernel')).toEqual(alone.flat());
      model.dispose();
    }
  });

  test('setInitialWeights: a list has values for each replica; missing ones are drawn', async () => {
    const [first, second] = [all(1), valuesFor({ 'first/kernel': [2, 3] }, 60)];
    const partial = { partial: true };
    const model = inner().setInitialWeights([first, second, new Map()], partial);
    model.build(device, { seed: [4, 9, 2] });
    const values = await read(model);
    for (const [name, shape] of Object.entries({ ...SIZES, ...NORM })) {
      const size = shape.reduce((a, b) => a * b, 1);
      const drawn = await Promise.all(
        [9, 2].map(async (seed) => (await read(inner().build(device, { seed }))).get(name)!),
      );
      const given = [first.get(name), second.get(name)].map((one) => one && Array.from(one.data));
      expect(values.get(name)).toEqual([...given[0]!, ...(given[1] ?? drawn[0]!), ...drawn[1]!]);
      expect(values.get(name)).toHaveLength(3 * size);
    }
    model.dispose();
    // A model that contains it has the same number of replicas.
    const outer = new Sequential([inner().setInitialWeights([first, first], partial), new Dense({ units: 1 })]);
    expect(() => outer.build(device)).toThrow(
      /inner\/first\/kernel: initial weights were given for 2 replicas, but the model has 1/,
    );
    expect(() => outer.build(device, { replicas: 3 })).toThrow(ArgumentError);
    outer.build(device, { replicas: 2 }).dispose();
    expect(() => inner().setInitialWeights([])).toThrow(/a Map for each replica, but is empty/);
    expect(() => inner().setInitialWeights([first, second])).toThrow(/no values for first\/bias/);
    expect(() => inner().setInitialWeights([first, {} as typeof first])).toThrow(ArgumentError);
  });

  test('setInitialWeights: given values can be frozen and trained, and are not in the config', async () => {
    const base = inner().setInitialWeights(all());
    base.trainable = false;
    const model = new Sequential([base, new Dense({ units: 1, name: 'head' })]);
    expect(modelConfig(model)).toEqual(modelConfig(new Sequential(model.layers)));
    expect(JSON.stringify(modelConfig(model)).length).toBeLessThan(1200);
    const again = modelFromConfig(modelConfig(model)).build(device, { seed: 1 });
    model.build(device, { seed: 1 });
    expect((await read(again)).get('inner/first/kernel')).not.toEqual([1, 2, 3, 4, 5, 6]);
    model.compile({ optimizer: new Adam({ learningRate: 0.1 }), loss: 'meanSquaredError' });
    const head = (await read(model)).get('head/kernel');
    await model.fit({ x: [[1, 2], [3, 4]], y: [1, 0] }, { epochs: 2 }); // biome-ignore format: as rows
    const trained = await read(model);
    expect(trained.get('inner/first/kernel')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(trained.get('head/kernel')).not.toEqual(head);
    const loaded = decodeModel(await encodeModel(model), device);
    expect(await read(loaded)).toEqual(trained);
    for (const one of [model, again, loaded]) one.dispose();
  });

  test('layers of a built model keep their weights in another model, as in Keras', async () => {
    const trained = new Sequential([
      inner(),
      new Dense({ units: 3, name: 'middle' }),
      new Dense({ units: 2, name: 'head' }),
    ]);
    trained.build(device, { seed: 5 });
    const values = await read(trained);
    const part = new Sequential([...trained.layers.slice(0, -1), new Dense({ units: 4, name: 'other' })]);
    part.build(device, { seed: 9 });
    const carried = await read(part);
    for (const name of ['inner/first/kernel', 'inner/first/bias', 'middle/kernel']) {
      expect(carried.get(name)).toEqual(values.get(name));
    }
    const drawn = new Sequential([inner(), new Dense({ units: 3 }), new Dense({ units: 4 })]).build(device, {
      seed: 9,
    });
    expect([...(await read(drawn)).values()].at(-2)).toEqual(carried.get('other/kernel'));
    // They are copies: training one model does not change the other.
    part.compile({ optimizer: new Adam({ learningRate: 0.1 }), loss: 'meanSquaredError' });
    await part.fit({ x: [[1, 2], [3, 4]], y: [[1, 0, 0, 0], [0, 1, 0, 0]] }, { epochs: 2 }); // biome-ignore format: as rows
    expect(await read(trained)).toEqual(values);
    // The weights are those of the model that was built last.
    const x = input([3]);
    const third = new Model({ inputs: x, outputs: part.layers[1]!.apply(x) });
    expect((await read(third.build(device))).get('middle/kernel')).toEqual((await read(part)).get('middle/kernel'));
    for (const one of [trained, part, drawn, third]) one.dispose();
  });

  test('layers of a model with given values keep them, built or not, in nested models', async () => {
    const outer = new Sequential([inner(), new Dense({ units: 2, name: 'head' })]);
    const given = valuesFor({ 'inner/first/kernel': [2, 3] });
    outer.setInitialWeights(given, { partial: true });
    const [nested] = outer.layers as [Model];
    const one = new Sequential([...nested.layers]).build(device, { seed: 4 });
    expect((await read(one)).get('first/kernel')).toEqual([1, 2, 3, 4, 5, 6]);
    const other = new Sequential([nested]).build(device, { seed: 4 });
    expect((await read(other)).get('inner/first/kernel')).toEqual([1, 2, 3, 4, 5, 6]);
    for (const model of [one, other]) model.dispose();
  });

  test('replicate: keeps weights that were copied from another model, even if that was disposed', async () => {
    const first = new Sequential([new Dense({ units: 3, inputShape: [2], name: 'a' })]).build(device, { seed: 3 });
    const kernel = (await read(first)).get('a/kernel')!;
    const make = () =>
      new Sequential([...first.layers, new Dense({ units: 2, name: 'head' })]).build(device, { seed: 4 });
    const [trained, disposed] = [make(), make()];
    first.compile({ optimizer: new Adam({ learningRate: 0.5 }), loss: 'meanSquaredError' });
    await first.fit({ x: [[1, 2]], y: [[1, 0, 0]] }, { epochs: 1 });
    expect((await read(trained.replicate(2))).get('a/kernel')).toEqual([...kernel, ...kernel]);
    first.dispose();
    const values = await read(disposed.replicate(2));
    expect(values.get('a/kernel')).toEqual([...kernel, ...kernel]);
    const heads = values.get('head/kernel')!;
    expect(heads.slice(0, 6)).not.toEqual(heads.slice(6));
    for (const one of [trained, disposed]) one.dispose();
  });

  test("build: throws if a layer's weights were disposed or have another shape, instead of drawing new ones", () => {
    const first = new Sequential([new Dense({ units: 3, inputShape: [2], name: 'a' })]).build(device);
    const [layer] = first.layers as [Layer];
    const x = input([5]);
    expect(() => new Model({ inputs: x, outputs: layer.apply(x) }).build(device)).toThrow(
      'a/kernel: its layer is part of another model, in which it has shape [2,3], but here it needs [5,3]; make a new layer',
    );
    first.dispose();
    const again = new Sequential([layer]);
    expect(() => again.build(device)).toThrow(DisposedError);
    expect(() => again.build(device)).toThrow(
      'a/kernel: its layer is part of a model that was disposed; make a new layer',
    );
    // The given values are still used.
    again
      .setInitialWeights(valuesFor({ 'a/kernel': [2, 3], 'a/bias': [3] }))
      .build(device)
      .dispose();
  });

  test('loadWeights: sets the initial weights of a model that is not built yet', async () => {
    const from = inner().setInitialWeights(all()).build(device);
    const bytes = await encodeWeights(from);
    const model = inner();
    expect(decodeWeights(model, bytes)).toEqual([...all().keys()]);
    expect(await read(model.build(device))).toEqual(lists(all()));
    const outer = new Sequential([inner(), new Dense({ units: 1, name: 'head' })]);
    expect(() => decodeWeights(outer, bytes)).toThrow(/does not fit the model/);
    expect(decodeWeights(outer, bytes, { prefix: 'inner/' })).toHaveLength(6);
    const values = await read(outer.build(device, { seed: 1 }));
    expect([...values].slice(0, 6)).toEqual([...lists(all(), 'inner/')]);
    const some = inner();
    const part = encodeSafetensors([['norm/beta', { shape: [3], data: Float64Array.of(4, 5, 6) }]]);
    expect(() => decodeWeights(some, part)).toThrow(/the file lacks first\/kernel/);
    expect(decodeWeights(some, part, { byName: true })).toEqual(['norm/beta']);
    expect((await read(some.build(device))).get('norm/beta')).toEqual([4, 5, 6]);
    const broken = encodeSafetensors([['norm/beta', { shape: [3], data: Float32Array.of(4, Number.NaN, 6) }]]);
    expect(() => decodeWeights(inner(), broken, { byName: true }, 'w')).toThrow(/w: inner: norm\/beta: value 1 is NaN/);
    for (const one of [from, model, outer, some]) one.dispose();
  });

  test('loadWeights: loads the given replica of a file for a model that is not built yet', async () => {
    const from = inner().build(device, { seed: 1, replicas: 2 });
    const bytes = await encodeWeights(from);
    const model = inner();
    expect(() => decodeWeights(model, bytes, {}, 'w')).toThrow(DataError);
    expect(() => decodeWeights(model, bytes, {}, 'w')).toThrow(/w holds 2 replicas.*\{ replica \}/);
    decodeWeights(model, bytes, { replica: 1 });
    const second = [...(await read(from))].map(([name, values]) => [name, values.slice(values.length / 2)] as const);
    expect(await read(model.build(device))).toEqual(new Map(second));
    for (const one of [from, model]) one.dispose();
  });

  test('build: throws for initialValues of a custom layer that do not fit', () => {
    const model = new Model(inputAndOutput([1, 2]));
    expect(() => model.build(device)).toThrow(ShapeError);
    expect(() => model.build(device)).toThrow(/own\/w: /);
  });
});

/** Input and output of a model with one layer whose plan has these initialValues for a weight of three elements. */
function inputAndOutput(initialValues: number[]) {
  class Own extends Layer {
    readonly kind = 'Own';
    plan = (outputShape: Shape) => ({
      outputShape,
      weights: [
        { name: 'w', shape: [3], initializer: 'ones' as never, initialValues: Float32Array.from(initialValues) },
      ],
    });
    call = (x: Tensor) => x;
  }
  const inputs = input([3]);
  return { inputs, outputs: new Own({}).apply(inputs) };
}
