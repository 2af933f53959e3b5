import { expect, test } from 'vitest';
import {
  Activation,
  Add,
  ArgumentError,
  AveragePooling2D,
  BatchNormalization,
  Concatenate,
  Conv2D,
  DataError,
  Dense,
  DepthwiseConv2D,
  type Device,
  Dropout,
  decodeModel,
  decodeSafetensors,
  encodeModel,
  encodeSafetensors,
  Flatten,
  GlobalAveragePooling2D,
  initializers,
  input,
  LeakyReLU,
  MaxPooling2D,
  Model,
  Permute,
  ReLU,
  Rescaling,
  Reshape,
  Resizing,
  Sequential,
  TilegradError,
  ZeroPadding2D,
} from '../../src/node.ts';
import { modelFromConfig } from '../../src/training/model-config.ts';
import { describeOnDevice } from '../support/device.ts';
import { hostileValues, pathsIn, withValueAt } from '../support/hostile-json.ts';

/** A model with nearly every kind of layer and option. */
function network(): Model {
  const x = input([6, 6, 2]);
  const one = new Conv2D({
    filters: 2,
    kernelSize: [3, 3],
    strides: 1,
    padding: 'same',
    dilationRate: 1,
    activation: 'relu',
    kernelInitializer: initializers.randomNormal({ stddev: 0.1 }),
    kernelRegularizer: 'l2',
    useBias: true,
  });
  const inner = new Sequential([
    new DepthwiseConv2D({ kernelSize: 3, padding: 'same', inputShape: [6, 6, 2], name: 'depthwise' }),
    new BatchNormalization({ momentum: 0.5, epsilon: 0.01 }),
    new LeakyReLU({ negativeSlope: 0.1 }),
  ]);
  const sum = new Add().apply([one.apply(one.apply(x)), inner.apply(x)]);
  const both = new Concatenate({ axis: -1 }).apply([sum, new Rescaling({ scale: 2, offset: 1 }).apply(x)]);
  const small = new Resizing({ height: 4, width: 4 }).apply(new ZeroPadding2D({ padding: 1 }).apply(both));
  const pooled = new MaxPooling2D({ poolSize: 2 }).apply(
    new AveragePooling2D({ poolSize: 2, strides: 1 }).apply(small),
  );
  const flat = new Flatten().apply(new Permute([2, 1, 3]).apply(pooled));
  const shaped = new Reshape([4]).apply(new Dropout(0.5).apply(new ReLU().apply(flat)));
  const head = new Activation('softmax').apply(new Dense({ units: 3, trainable: false }).apply(shaped));
  const global = new GlobalAveragePooling2D().apply(small);
  return new Model({ inputs: x, outputs: new Concatenate().apply([head, global]), name: 'net' });
}

/** The model that a description makes, or the typed error that it throws. */
function attempt(description: unknown): Model | TilegradError {
  try {
    return modelFromConfig(description);
  } catch (error) {
    return error as TilegradError;
  }
}

test('any value in any place of a model file: it loads, or throws an error that names the place', () => {
  const model = network();
  const whole = { className: 'Functional', config: model.getConfig() };
  expect(attempt(whole)).toBeInstanceOf(Model);
  const wrong: string[] = [];
  let refusals = 0;
  let tried = 0;
  for (const path of pathsIn(whole)) {
    for (const value of hostileValues) {
      const result = attempt(withValueAt(whole, path, value));
      tried++;
      if (result instanceof TilegradError) refusals++;
      else if (!(result instanceof Model))
        wrong.push(`${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}: ${result}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(refusals).toBeGreaterThan(tried / 2);
});

const layer = { className: 'Activation', config: { activation: 'relu', inputShape: [4] } };
const use = (layer: unknown, ...inputs: unknown[]) => ({ layer, inputs });
const sequential = (layers: unknown[], uses: unknown[]) => ({
  className: 'Sequential',
  config: { inputShape: [4], layers, uses },
});

test.each<[what: string, description: unknown, says: RegExp]>([
  ['a call of a missing layer', sequential([layer], [use('map', 0)]), /uses\[0\] is .*"map".*, but layers are 0 to 0/],
  [
    'a use of a prototype',
    sequential([layer], [use('__proto__', 0)]),
    /uses\[0\] is .*, but layers are 0 to 0 and inputs 0 to 0/,
  ],
  ['invalid inputs', sequential([layer], [use(0, '0')]), /uses\[0\] is .*, but layers are 0 to 0 and inputs 0 to 0/],
  [
    'uses that are no chain',
    sequential([layer, layer], [use(0, 0), use(1, 0)]),
    /uses\[1\] .*the input of a layer is the output before it/,
  ],
  [
    'an invalid name',
    sequential([{ ...layer, config: { ...layer.config, name: {} } }], [use(0, 0)]),
    /name.* must be text/,
  ],
  ['options as a list', sequential([{ ...layer, config: [] }], [use(0, 0)]), /needs className and config/],
  [
    'more layers than a file may hold',
    sequential(new Array(100_001).fill(layer), []),
    /has 100,001 layers; a file may hold models with at most 100,000/,
  ],
  [
    'models within models, each used twice',
    Array.from({ length: 40 }).reduce<object>(
      (inner) => sequential([inner], [use(0, 0), use(0, 1)]),
      sequential([layer], [use(0, 0)]),
    ),
    /calls its layers [\d,]+ times; a file may hold models with at most 100,000/,
  ],
])('%s', (_, description, says) => {
  const error = attempt(description);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(says);
});

test('a model of 20,000 layers loads, with its connections', () => {
  const count = 20_000;
  const model = attempt(
    sequential(
      new Array(count).fill(layer),
      Array.from({ length: count }, (_, i) => use(i, i)),
    ),
  ) as Model;
  expect(model.layers).toHaveLength(count);
  expect(model.uses.at(-1)).toEqual({ layer: count - 1, inputs: [count - 1] });
  expect(model.plannedLayers.at(-1)).toMatchObject({ name: 'activation_19999', inbound: ['activation_19998'] });
});

describeOnDevice('hostile model files', (device: Device) => {
  const file = async (change: (json: string) => string, metadata: Record<string, string> = {}) => {
    using model = network().build(device, { seed: 1 });
    const found = decodeSafetensors(await encodeModel(model));
    return encodeSafetensors(found.tensors, { ...found.metadata, ...metadata, model: change(found.metadata.model!) });
  };
  const refusal = (bytes: Uint8Array): Error => {
    const { buffersCreated } = device.counters;
    let error: unknown;
    try {
      decodeModel(bytes, device, {}, 'm').dispose();
    } catch (thrown) {
      error = thrown;
    }
    expect(device.counters.buffersCreated, 'nothing is built').toBe(buffersCreated);
    expect(error).toBeInstanceOf(DataError);
    return error as Error;
  };

  test('throws, before anything is built, if the weights in the file do not have the sizes of the layers', async () => {
    for (const units of ['1000000000', '1e300', '9007199254740991', '4']) {
      const bytes = await file((json) => json.replace('"units":3', `"units":${units}`));
      expect(refusal(bytes).message, units).toMatch(/^m(:|) .*(of another shape dense\/kernel|units|outputShape)/);
    }
    const wide = await file((json) => json.replace('"filters":2', '"filters":1e15'));
    expect(refusal(wide).message).toMatch(/^m.*(of another shape conv2d\/kernel|inputs must have the same shape)/);
  });

  test('throws for 5,000 nested models, or nested lists in an option', async () => {
    const deep = await file(() => {
      const head = '{"className":"Sequential","config":{"inputShape":[4],"uses":[{"layer":0,"inputs":[0]}],"layers":[';
      return head.repeat(5000) + JSON.stringify(layer) + ']}}'.repeat(5000);
    });
    expect(refusal(deep).message).toMatch(/^m: it is nested more than 200 levels deep/);
    const option = await file((json) => json.replace('"units":3', `"units":${'['.repeat(5000)}${']'.repeat(5000)}`));
    expect(refusal(option).message).toMatch(/^m: it is nested more than 200 levels deep/);
  });

  test('throws for replicas of a model without weights', () => {
    const model = JSON.stringify(sequential([layer], [use(0, 0)]));
    const bytes = encodeSafetensors([], { format: 'tilegrad', version: '1', model, replicas: '999999999' });
    expect(refusal(bytes).message).toMatch(/^m says that it holds 999999999 replicas, but has no tensors/);
  });

  test('encodeModel: throws for a model that decodeModel would reject', async () => {
    let model = new Sequential([new Activation('relu', { inputShape: [1] })]);
    for (let depth = 0; depth < 70; depth++) model = new Sequential([model]);
    using built = model.build(device);
    await expect(encodeModel(built)).rejects.toThrow(ArgumentError);
    await expect(encodeModel(built)).rejects.toThrow(/nested more than 200 levels deep/);
  });
});
