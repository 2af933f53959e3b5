import { beforeAll, expect, test } from 'vitest';
import {
  Activation,
  Adam,
  type AdamOptions,
  ArgumentError,
  type BatchSource,
  type CompileOptions,
  Conv2D,
  Dense,
  type Device,
  DeviceLostError,
  DisposedError,
  Flatten,
  ImageLoader,
  type Layer,
  type LossName,
  MaxPooling2D,
  openDevice,
  Sequential,
  ShapeError,
  SparseCategoricalCrossentropy,
  type TilegradError,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const loss = 'sparseCategoricalCrossentropy';
const inputShape = [4, 4, 1];

const images = (size: number, { classes = 3, shape = [4, 4, 1] as [number, number, number] } = {}) =>
  drawImages(size, { classes, shape });

const layers = (units = 3): Layer[] => [new Flatten({ inputShape }), new Dense({ units, activation: 'softmax' })];

function build(device: Device, optimizer = new Adam()): Sequential {
  return new Sequential(layers()).build(device).compile({ optimizer, loss });
}

type Refused = [what: string, call: () => unknown, error: typeof TilegradError, says: string[]];

async function expectRefused([, call, error, says]: Refused): Promise<void> {
  let thrown: unknown;
  try {
    await call();
  } catch (reason) {
    thrown = reason;
  }
  expect(thrown).toBeInstanceOf(error);
  for (const part of says) expect((thrown as Error).message).toContain(part);
}

const dense = (options: object) => () => new Dense(options as { units: number });
const conv = (options: object) => () => new Conv2D({ filters: 1, kernelSize: 2, ...options });
const model = (...all: unknown[]) => new Sequential(all as Layer[]);

const refusedModels: Refused[] = [
  ['no layers', () => model(), ArgumentError, ['at least one']],
  ['no list', () => new Sequential(undefined as unknown as Layer[]), ArgumentError, ['list of layers', 'undefined']],
  ['an invalid layer', () => model(layers()[0], 'Dense'), ArgumentError, ['list of layers', 'Dense']],
  ['no inputShape', () => model(new Dense({ units: 1 })), ArgumentError, ['Dense', 'inputShape']],
  [
    'a number as inputShape',
    () => model(new Dense({ units: 1, inputShape: 4 as unknown as number[] })),
    ArgumentError,
    ['inputShape'],
  ],
  ['a name used twice', () => model(...layers(), new Dense({ units: 1, name: 'dense' })), ArgumentError, ['dense']],
  [
    'a second inputShape',
    () => model(...layers(), new Dense({ units: 1, inputShape: [4] })),
    ShapeError,
    ['[4]', '[3]'],
  ],
  ['Conv2D on rows', () => model(...layers(), conv({})()), ShapeError, ['Conv2D', '[3]']],
  ['MaxPooling2D on rows', () => model(...layers(), new MaxPooling2D()), ShapeError, ['MaxPooling2D', '[3]']],
  [
    'a window larger than the image',
    () => model(conv({ kernelSize: 5, inputShape })()),
    ShapeError,
    ['Conv2D', '[4,4,1]', '[5,5,1,1]'],
  ],
  ['Dense: null', () => new Dense(null as unknown as { units: number }), ArgumentError, ['Dense', 'null']],
  ['Dense: no units', dense({}), ArgumentError, ['units', 'undefined']],
  ['Dense: half a unit', dense({ units: 0.5 }), ArgumentError, ['units', '0.5']],
  ['Dense: activation', dense({ units: 1, activation: 'swish' }), ArgumentError, ['swish', 'relu', 'softmax']],
  ['Conv2D: activation', conv({ activation: 'swish' }), ArgumentError, ['swish', 'linear, relu']],
  ['Conv2D: filters', conv({ filters: 0 }), ArgumentError, ['filters', '0']],
  ['Conv2D: kernelSize', conv({ kernelSize: [1, 2, 3] }), ArgumentError, ['kernelSize', '[1,2,3]']],
  ['Conv2D: padding', () => model(conv({ padding: 'full', inputShape })()), ArgumentError, ['padding', 'full']],
  ['MaxPooling2D: strides', () => new MaxPooling2D({ strides: -1 }), ArgumentError, ['strides', '-1']],
  ...[{ learningRate: 0 }, { learningRate: Number.NaN }, { beta1: 1 }, { beta2: -0.1 }, { epsilon: 0 }].map(
    (options: AdamOptions): Refused => [
      `Adam: ${Object.keys(options)} ${Object.values(options)}`,
      () => new Adam(options),
      ArgumentError,
      ['Adam', ...Object.keys(options)],
    ],
  ),
  [
    'compile: null',
    () => model(...layers()).compile(null as unknown as CompileOptions),
    ArgumentError,
    ['compile', 'null'],
  ],
  [
    'compile: no optimizer',
    () => model(...layers()).compile({ loss } as unknown as CompileOptions),
    ArgumentError,
    ['optimizer', 'undefined'],
  ],
  ...['mse', 'toString', undefined, 3, {}].map(
    (unknown): Refused => [
      `compile: loss ${JSON.stringify(unknown)}`,
      () => model(...layers()).compile({ optimizer: new Adam(), loss: unknown as LossName }),
      ArgumentError,
      ['compile', 'loss', loss],
    ],
  ),
  [
    'compile: logits expected, probabilities given',
    () =>
      model(...layers()).compile({
        optimizer: new Adam(),
        loss: new SparseCategoricalCrossentropy({ fromLogits: true }),
      }),
    ArgumentError,
    ['softmax', 'fromLogits'],
  ],
  ['summary needs no device, weights do', () => model(...layers()).weights, ArgumentError, ['build(device)']],
];

test.each(refusedModels.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(row));

describeOnDevice('misuse of a model', (device) => {
  let data: ImageLoader;
  beforeAll(() => {
    data = new ImageLoader(device, images(6));
  });

  const invalidCalls: Refused[] = [
    [
      'fit before build',
      () =>
        model(...layers())
          .compile({ optimizer: new Adam(), loss })
          .fit(data),
      ArgumentError,
      ['build(device)'],
    ],
    [
      'fit before compile',
      () =>
        model(...layers())
          .build(device)
          .fit(data),
      ArgumentError,
      ['compile({'],
    ],
    [
      'evaluate before compile',
      () =>
        model(...layers())
          .build(device)
          .evaluate(data),
      ArgumentError,
      ['compile({'],
    ],
    ['predict before build', () => model(...layers()).predict(data), ArgumentError, ['build(device)']],
    ['call before build', () => model(...layers()).call(tensor(device, [], [0, 4, 4, 1])), ArgumentError, ['build']],
    ['build twice', () => build(device).build(device), ArgumentError, ['already built']],
    ['an invalid seed', () => model(...layers()).build(device, { seed: -1 }), ArgumentError, ['seed', '-1']],
    ['no data', () => build(device).fit(undefined as unknown as BatchSource), ArgumentError, ['fit', 'undefined']],
    ['null options', () => build(device).fit(data, null as unknown as object), ArgumentError, ['fit', 'null']],
    ['epochs', () => build(device).fit(data, { epochs: 0 }), ArgumentError, ['epochs', '0']],
    ['batchSize', () => build(device).fit(data, { batchSize: 1.5 }), ArgumentError, ['batchSize', '1.5']],
    ['seed', () => build(device).fit(data, { seed: 0.5 }), ArgumentError, ['seed', '0.5']],
    [
      'images of another shape',
      () => build(device).fit(new ImageLoader(device, images(6, { shape: [5, 4, 1] }))),
      ShapeError,
      ['[4,4,1]', '[5,4,1]'],
    ],
    [
      'more classes than outputs',
      () => build(device).fit(new ImageLoader(device, images(6, { classes: 4 }))),
      ShapeError,
      ['4 classes', '[3]'],
    ],
    [
      'validation data of more classes',
      () => build(device).fit(data, { validationData: new ImageLoader(device, images(8, { classes: 4 })) }),
      ShapeError,
      ['validationData', '4 classes', '[3]'],
    ],
    [
      'a batch of another shape',
      () => build(device).call(tensor(device, [1], [1, 1])),
      ShapeError,
      ['[4,4,1]', '[1,1]'],
    ],
  ];
  test.each(invalidCalls.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(row));

  test('an optimizer belongs to one model; a model may change its optimizer', async () => {
    const optimizer = new Adam();
    using first = build(device, optimizer);
    using second = build(device, optimizer);
    await first.fit(data);
    expect(optimizer.iterations).toBe(1);
    await expect(second.fit(data)).rejects.toThrow(/another model/);
    first.compile({ optimizer: new Adam(), loss });
    await second.fit(data);
    expect(optimizer.iterations).toBe(1);
  });

  test('throws for a disposed model and disposed data', async () => {
    const disposed = build(device);
    disposed.dispose();
    disposed.dispose();
    await expect(disposed.fit(data)).rejects.toThrow(DisposedError);
    expect(() => disposed.weights).toThrow(DisposedError);
    using alive = build(device);
    const images6 = new ImageLoader(device, images(6));
    images6.dispose();
    await expect(alive.fit(images6)).rejects.toThrow(DisposedError);
    expect((await alive.fit(data)).epochs).toHaveLength(1);
  });

  test('throws for data on another device', async () => {
    using other = await openDevice();
    using elsewhere = new ImageLoader(other, images(6));
    using here = build(device);
    await expect(here.fit(elsewhere)).rejects.toThrow(/different devices/);
  });

  test('a device lost during training: fit throws DeviceLostError', async () => {
    using lostDevice = await openDevice();
    const lost = build(lostDevice).fit(new ImageLoader(lostDevice, images(6)), {
      epochs: 100,
      batchSize: 2,
      callbacks: [{ onEpochEnd: ({ epoch }) => void (epoch === 2 && lostDevice.gpu.destroy()) }],
    });
    await expect(lost).rejects.toThrow(DeviceLostError);
  });

  test('a device disposed during training: fit throws DisposedError', async () => {
    const otherDevice = await openDevice();
    const stopped = build(otherDevice).fit(new ImageLoader(otherDevice, images(6)), {
      epochs: 100,
      batchSize: 2,
      callbacks: [{ onEpochEnd: ({ epoch }) => void (epoch === 2 && otherDevice.dispose()) }],
    });
    await expect(stopped).rejects.toThrow(DisposedError);
  });

  test('an error in a callback: fit throws that error, and the model can be trained again', async () => {
    using here = build(device);
    const callbacks = [
      {
        onEpochEnd() {
          throw new RangeError('mine');
        },
      },
    ];
    await expect(here.fit(data, { callbacks })).rejects.toThrow(RangeError);
    expect((await here.fit(data)).epochs).toHaveLength(1);
  });
});

describeOnDevice('predict', (device) => {
  test('predict: reads large outputs in parts, each sample once and in order', async () => {
    // 1 MiB a sample: five batches of three are read at a time, and the last batch is short.
    const set = drawImages(20, { shape: [256, 256, 4] });
    const model = new Sequential([new Activation('linear', { inputShape: [256, 256, 4] })]).build(device);
    const before = device.counters.readBacks;
    const output = await model.predict(new ImageLoader(device, set), { batchSize: 3 });
    expect(device.counters.readBacks - before).toBe(2);
    expect(output).toHaveLength(set.images.length);
    const wrong = output.findIndex((value, i) => Math.abs(255 * value - set.images[i]!) > 1e-3);
    expect(wrong).toBe(-1);
    model.dispose();
  });
});
