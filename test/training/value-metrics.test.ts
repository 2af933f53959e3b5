import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  ArrayLoader,
  abs,
  BackupAndRestore,
  type CompileOptions,
  CSVLogger,
  CustomMetric,
  Dense,
  type Device,
  EarlyStopping,
  Flatten,
  ImageLoader,
  type Metrics,
  max,
  mean,
  ReduceLROnPlateau,
  Rescaling,
  Sequential,
  type Shape,
  ShapeError,
  square,
  sub,
  sum,
  type Tensor,
  TensorBoard,
  tensor,
} from '../../src/node.ts';
import { groupTrials } from '../../src/search/together.ts';
import { type ValueFigures, valueFigures } from '../reference/value-metrics.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { random } from '../support/random.ts';

const ALL = ['meanAbsoluteError', 'meanSquaredError', 'rootMeanSquaredError', 'r2Score'] as const;
type Asked = NonNullable<CompileOptions['metrics']>;

/** An identity model, so that x is the output. */
const identity = (device: Device, metrics: Asked, inputShape: Shape = [1]) =>
  new Sequential([new Rescaling({ scale: 1, inputShape })])
    .build(device)
    .compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics });

const regression = (device: Device, metrics: Asked, units = 1) =>
  new Sequential([new Dense({ units: 4, activation: 'tanh', inputShape: [2] }), new Dense({ units })])
    .build(device, { seed: 1 })
    .compile({ optimizer: new Adam({ learningRate: 0.02 }), loss: 'meanSquaredError', metrics });

/** Points and targets that a regression can learn, around `offset`. */
function points(size: number, { units = 1, offset = 0, seed = 1 } = {}) {
  const { normal } = random(seed);
  const x = Float32Array.from({ length: 2 * size }, normal);
  const y = Float32Array.from({ length: units * size }, (_, i) => {
    const row = Math.floor(i / units);
    return offset + Math.sin(x[2 * row]!) + (i % units) * x[2 * row + 1]! + 0.1 * normal();
  });
  return { x, y };
}

/** Expects each metric within `relative` of the reference, R2 relative to 1 - R2. */
function expectMetrics(actual: Metrics, expected: ValueFigures, relative = 5e-6): void {
  for (const name of ['meanAbsoluteError', 'meanSquaredError', 'rootMeanSquaredError'] as const) {
    expect(Math.abs(actual[name]! / expected[name] - 1), name).toBeLessThan(relative);
  }
  expect(Math.abs(actual.r2Score! - expected.r2Score), 'r2Score').toBeLessThan(
    relative * Math.max(1, Math.abs(1 - expected.r2Score)),
  );
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'tilegrad-metrics-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const bias = (output: Tensor, target: Tensor) => sub(output, target);

describeOnDevice('metrics of regression', (device) => {
  // From the documentation of scikit-learn's r2_score, mean_squared_error and mean_absolute_error, and of keras.metrics.R2Score.
  test.each<{ x: number[]; y: number[]; columns?: number; mae?: number; mse?: number; r2: number }>([
    { y: [3, -0.5, 2, 7], x: [2.5, 0, 2, 8], mae: 0.5, mse: 0.375, r2: 0.9486081370449679 },
    {
      y: [0.5, 1, -1, 1, 7, -6],
      x: [0, 2, -1, 2, 8, -5],
      columns: 2,
      mae: 0.75,
      mse: 0.7083333333333334,
      r2: (0.9654377880184332 + 0.9081632653061225) / 2,
    },
    { y: [1, 4, 3], x: [2, 4, 4], r2: 0.5714285714285714 },
    { y: [1, 2, 3], x: [1, 2, 3], mae: 0, mse: 0, r2: 1 },
    { y: [1, 2, 3], x: [2, 2, 2], r2: 0 },
    { y: [1, 2, 3], x: [3, 2, 1], r2: -3 },
    { y: [-2, -2, -2], x: [-2, -2, -2], r2: 1 }, // scikit-learn's force_finite
    { y: [-2, -2, -2], x: [-2, -2, -2.5], r2: 0 },
    { y: [5], x: [5], r2: 1 },
  ])('have known values: $y by $x', async ({ x, y, columns = 1, mae, mse, r2 }) => {
    using model = identity(device, ['mae', 'mse', ...ALL], [columns]);
    const metrics = await model.evaluate({ x, y }, { batchSize: 2 });
    expect(metrics.r2Score).toBeCloseTo(r2, 6);
    if (mae !== undefined) expect(metrics.mae).toBeCloseTo(mae, 6);
    if (mse !== undefined) expect(metrics.mse).toBeCloseTo(mse, 6);
    expect(metrics.meanAbsoluteError).toBe(metrics.mae);
    expect(metrics.meanSquaredError).toBe(metrics.mse);
    expect(metrics.rootMeanSquaredError).toBe(Math.sqrt(metrics.mse!));
    expect(metrics.mse).toBeCloseTo(metrics.loss, 6);
  });

  test.each([
    { size: 45, batchSize: 16, columns: 1, offset: 0 },
    { size: 45, batchSize: 7, columns: 3, offset: 100 },
    { size: 45, batchSize: 45, columns: 70, offset: -5 },
    { size: 1100, batchSize: 1, columns: 2, offset: 10 }, // three levels of sums
    { size: 20_000, batchSize: 20_000, columns: 1, offset: 0 }, // long sums in a batch
  ])(
    'are computed over the whole set, not as means of batches: $size by $batchSize, $columns columns',
    async (given) => {
      const { size, batchSize, columns, offset } = given;
      const { normal } = random(size + columns);
      const y = Float32Array.from({ length: size * columns }, (_, i) => offset + (1 + (i % columns)) * normal());
      const x = y.map((value) => value + 0.5 * normal());
      using model = identity(device, ALL, [columns]);
      expectMetrics(await model.evaluate({ x, y }, { batchSize }), valueFigures(x, y, columns));
    },
  );

  test.each([
    { about: 'targets of about 1000', offset: 1000, sorted: false },
    { about: 'targets of about 1000, in order', offset: 1000, sorted: true },
    { about: 'targets of about 100,000', offset: 1e5, sorted: false },
  ])('are those of float64 for 60,000 rows of $about', async ({ offset, sorted }) => {
    const { normal } = random(3);
    const y = Float32Array.from({ length: 60_000 }, () => offset + normal());
    if (sorted) y.sort();
    const x = y.map((value) => value + 0.3 * normal());
    using model = identity(device, ALL);
    expectMetrics(await model.evaluate({ x, y }, { batchSize: 64 }), valueFigures(x, y, 1));
  });

  test('compare values of any shape element by element', async () => {
    const { normal } = random(5);
    const y = Float32Array.from({ length: 10 * 6 }, normal);
    const x = Float32Array.from({ length: 10 * 6 }, normal);
    using model = identity(device, ['mae', 'rootMeanSquaredError'], [3, 2]);
    const metrics = await model.evaluate({ x, y }, { batchSize: 4 });
    const expected = valueFigures(x, y, 1);
    expect(metrics.mae).toBeCloseTo(expected.meanAbsoluteError, 5);
    expect(metrics.rootMeanSquaredError).toBeCloseTo(expected.rootMeanSquaredError, 5);
    expect(() => identity(device, ['r2Score'], [3, 2])).toThrow(
      /r2Score needs a model that ends in \[outputs\].*\[3,2\]/,
    );
  });

  test('class labels are used as one-hot rows; outputs are those of the model, also if the loss uses logits', async () => {
    const set = drawImages(21, { shape: [2, 2, 1], classes: 3 });
    using data = new ImageLoader(device, set);
    for (const loss of ['sparseCategoricalCrossentropy', 'categoricalCrossentropy'] as const) {
      using model = new Sequential([
        new Flatten({ inputShape: [2, 2, 1] }),
        new Dense({ units: 3, activation: 'softmax' }),
      ])
        .build(device, { seed: 2 })
        .compile({ optimizer: 'sgd', loss, metrics: [...ALL, bias, 'topK2'] });
      const outputs = await model.predict(data);
      const rows = Array.from(set.labels, (label) => [0, 1, 2].map((c) => Number(c === label))).flat();
      const metrics = await model.evaluate(data, { batchSize: 8 });
      expectMetrics(metrics, valueFigures(outputs, rows, 3));
      expect(Object.keys(metrics)).toEqual(['loss', 'accuracy', 'topK2', ...ALL, 'bias']);
      expect(metrics.bias).toBeCloseTo(0, 6); // both add up to 1
    }
    using binary = new Sequential([new Dense({ units: 1, activation: 'sigmoid', inputShape: [1] })])
      .build(device, { seed: 2 })
      .compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['mae', 'recall'] });
    const [x, y] = [Float32Array.of(-1, 0.5, 2, 3), [0, 1, 1, 0]];
    const outputs = await binary.predict(x);
    expect((await binary.evaluate({ x, y })).mae).toBeCloseTo(valueFigures(outputs, y, 1).meanAbsoluteError, 6);
  });

  test('a function of operators: one value for each sample, several, or one for the batch', async () => {
    const { x, y } = points(45, { units: 3 });
    const outputs = Float32Array.from({ length: 135 }, (_, i) => Math.cos(i));
    using model = identity(
      device,
      [
        bias,
        function largest(output, target) {
          return max(abs(sub(output, target)), { axis: -1 }); // [N]
        },
        new CustomMetric((output, target) => mean(square(sub(output, target))), 'batchError'), // []
      ],
      [3],
    );
    const metrics = await model.evaluate({ x: outputs, y }, { batchSize: 16 });
    const errors = Array.from(outputs, (value, i) => value - y[i]!);
    const average = (values: number[]) => values.reduce((total, value) => total + value, 0) / values.length;
    expect(x.length).toBe(90);
    expect(metrics.bias).toBeCloseTo(average(errors), 6);
    const rows = Array.from({ length: 45 }, (_, r) => Math.max(...errors.slice(3 * r, 3 * r + 3).map(Math.abs)));
    expect(metrics.largest).toBeCloseTo(average(rows), 6);
    expect(metrics.batchError).toBeCloseTo(average(errors.map((error) => error ** 2)), 5);
  });

  test('fit: are in logs, validation, callbacks, CSV and TensorBoard; R2 is better if larger', async () => {
    const data = points(60, { offset: 10 });
    const validationData = points(20, { offset: 10, seed: 2 });
    using model = regression(device, ['mae', ...ALL, bias]);
    const path = folder();
    const early = new EarlyStopping({ monitor: 'valR2Score', patience: 50, restoreBestWeights: true });
    const plateau = new ReduceLROnPlateau({ monitor: 'val_r2_score', patience: 50 });
    const callbacks = [early, plateau, new CSVLogger(join(path, 'log.csv')), new TensorBoard({ logDir: path })];
    const { epochs } = await model.fit(data, { epochs: 25, batchSize: 16, validationData, callbacks });
    const names = ['loss', 'mae', ...ALL, 'bias'];
    const validation = names.map((name) => `val${name[0]!.toUpperCase()}${name.slice(1)}`);
    for (const logs of epochs) {
      for (const name of [...names, ...validation]) expect(logs[name], name).toEqual(expect.any(Number));
      expect(logs.rootMeanSquaredError).toBeCloseTo(Math.sqrt(logs.loss), 4);
    }
    const scores = epochs.map(({ valR2Score }) => valR2Score!);
    expect(early.bestEpoch).toBe(scores.indexOf(Math.max(...scores)) + 1);
    expect(early.bestEpoch).toBeGreaterThan(1); // lower would have been the first
    const header = readFileSync(join(path, 'log.csv'), 'utf8').split('\n')[0]!;
    for (const name of [...names, ...validation]) expect(header.split(',')).toContain(name);
    const figures = await model.evaluate(validationData, { batchSize: 3 });
    expect(figures.r2Score).toBeCloseTo(Math.max(...scores), 5);
    expectMetrics(figures, valueFigures(await model.predict(validationData.x), validationData.y, 1));
  });

  test('a metric whose name only contains r2 is better if smaller', async () => {
    const data = points(20);
    using model = regression(device, [new CustomMetric((y, t) => square(sub(y, t)), 'error2')]);
    const early = new EarlyStopping({ monitor: 'error2', patience: 50 });
    const { epochs } = await model.fit(data, { epochs: 5, batchSize: 8, callbacks: [early] });
    const values = epochs.map(({ error2 }) => error2!);
    expect(early.bestEpoch).toBe(values.indexOf(Math.min(...values)) + 1);
  });

  test('replicas: each has the metrics of a model trained alone, bit for bit', async () => {
    const data = points(45, { units: 2 });
    const train = async (seed: number, replicas: number) => {
      using model = new Sequential([new Dense({ units: 2, inputShape: [2] })])
        .build(device, { seed })
        .compile({ optimizer: 'adam', loss: 'huber', metrics: [...ALL, bias] });
      const history = await model.fit(data, { epochs: 2, batchSize: 16, seed, replicas, validationSplit: 0.2 });
      return {
        epochs: history.replicas.map((all) => all.map(({ seconds, samplesPerSecond, ...figures }) => figures)),
        measured: await model.evaluateReplicas(data, { batchSize: 16 }),
      };
    };
    const together = await train(7, 3);
    for (const r of [0, 1, 2]) {
      const alone = await train(7 + r, 1);
      expect(together.epochs[r]).toEqual(alone.epochs[0]);
      expect(together.measured[r]).toEqual(alone.measured[0]);
    }
    expect(new Set(together.measured.map(({ r2Score }) => r2Score)).size).toBe(3);
  });

  test('are reported for streams, trainOnBatch and testOnBatch', async () => {
    const { x, y } = points(40, { offset: 3 });
    using model = regression(device, ALL);
    const expected = valueFigures(await model.predict(x), y, 1);
    const stream = function* () {
      for (let i = 0; i < 40; i += 12) yield { x: x.subarray(2 * i, 2 * i + 24), y: y.subarray(i, i + 12) };
    };
    expectMetrics(await model.evaluate(stream), expected);
    expectMetrics(await model.testOnBatch(x, y), expected);
    expectMetrics(await model.trainOnBatch(x, y), expected); // before its step
    expect((await model.testOnBatch(x, y)).r2Score).not.toBe(expected.r2Score);
  });

  test('ignore class weights, as in Keras', async () => {
    const set = drawImages(16, { shape: [2, 2, 1], classes: 2 });
    using data = new ImageLoader(device, set);
    const train = async (classWeight?: Record<number, number>) => {
      using model = new Sequential([
        new Flatten({ inputShape: [2, 2, 1] }),
        new Dense({ units: 2, activation: 'softmax' }),
      ])
        .build(device, { seed: 2 })
        .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['mse'] });
      return (await model.fit(data, { batchSize: 16, ...(classWeight ? { classWeight } : {}) })).epochs[0]!;
    };
    const [plain, weighted] = [await train(), await train({ 1: 5 })];
    expect(weighted.mse).toBe(plain.mse);
    expect(weighted.loss).not.toBe(plain.loss);
  });

  test('in steady state a step creates nothing, is one submit and reads nothing back', async () => {
    const { x, y } = points(48);
    const spent = async (metrics: Asked) => {
      using loader = new ArrayLoader(device, { x, y, shape: [2], targetShape: [1] });
      using model = regression(device, metrics);
      const moments: { [name: string]: number }[] = [];
      const note = { onEpochEnd: () => void moments.push({ ...device.counters }) };
      await model.fit(loader, { epochs: 3, batchSize: 12, callbacks: [note] });
      return Object.fromEntries(Object.keys(moments[0]!).map((key) => [key, moments[2]![key]! - moments[1]![key]!]));
    };
    const none = await spent([]);
    const all = await spent(['mae', ...ALL, bias]);
    const { pipelinesCreated, bindGroupsCreated, buffersCreated, bytesAllocated, readBacks, submits } = all;
    expect({ pipelinesCreated, bindGroupsCreated, buffersCreated, bytesAllocated, readBacks }).toEqual({
      pipelinesCreated: 0,
      bindGroupsCreated: 0,
      buffersCreated: 0,
      bytesAllocated: 0,
      readBacks: 1,
    });
    expect(submits).toBeLessThanOrEqual(4 + 1);
    // R2 is one dispatch a step, and metrics of the same mean share their sums.
    expect((await spent(['r2Score'])).dispatches).toBe(none.dispatches! + 4);
    expect((await spent(['mse', 'meanSquaredError', 'rootMeanSquaredError'])).dispatches).toBe(
      (await spent(['mse'])).dispatches,
    );
  });

  test('do not change the bits of training, and leave no tensors', async () => {
    const data = points(40);
    const train = async (metrics: Asked) => {
      using model = regression(device, metrics);
      return (await model.fit(data, { epochs: 3, batchSize: 8 })).epochs.map(({ loss }) => loss);
    };
    expect(await train(['mae', ...ALL, bias])).toEqual(await train([]));
  });

  test('are the same in a resumed training; another function makes it another training', async () => {
    const data = points(40);
    const path = join(folder(), 'backup.safetensors');
    const train = async (metrics: Asked, stopAt?: number) => {
      using model = regression(device, metrics);
      const controller = new AbortController();
      const stop = {
        everySteps: 1,
        onSteps: ({ epoch, step }: { epoch: number; step: number }) =>
          void (epoch === 2 && step === stopAt && controller.abort()),
      };
      const callbacks = stopAt === undefined ? [] : [stop];
      const backup = new BackupAndRestore({ path, saveFreq: 1 });
      const { epochs } = await model.fit(data, {
        epochs: 3,
        batchSize: 8,
        callbacks: [...callbacks, backup],
        signal: controller.signal,
      });
      return epochs.map(({ seconds, samplesPerSecond, ...figures }) => figures);
    };
    const whole = await train([...ALL, bias]);
    expect(await train([...ALL, bias], 3)).toHaveLength(1);
    await expect(train([...ALL])).rejects.toThrow(/another training: metrics\.4 was "bias" and is none/);
    expect(await train([...ALL, bias])).toEqual(whole);
  });

  test('trials are trained together only if their functions are the same', () => {
    const compileWith = (f: (y: Tensor, t: Tensor) => Tensor) =>
      new Sequential([new Dense({ units: 1, inputShape: [2] })]).compile({
        optimizer: 'adam',
        loss: 'meanSquaredError',
        metrics: ['r2Score', new CustomMetric(f, 'bias')],
      });
    expect(groupTrials([compileWith(bias), compileWith(bias), compileWith((y, t) => sub(y, t))], 8)).toEqual([
      [0, 1],
      [2],
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ['an unknown name', ['auc'], /mae, meanAbsoluteError, mse.*r2Score, or a function.*"auc" was given$/],
    ['a misspelled name', ['root_mean_squared_error'], /did you mean rootMeanSquaredError\?/],
    ["another library's name", ['rmse'], /did you mean rootMeanSquaredError\?/],
    ['a number', [3], /but 3 was given/],
    [
      'a function without a name',
      [
        (
          () => (y: Tensor, t: Tensor) =>
            sub(y, t)
        )(),
      ],
      /no name to be logged by.*new CustomMetric/,
    ],
    [
      'two functions of one name',
      [bias, new CustomMetric((y) => y, 'bias')],
      /metric bias is a function.*give it another one/,
    ],
    ['a function named as a metric', [new CustomMetric(bias, 'accuracy')], /metric accuracy is a function/],
    ['a function with the name of a log entry', [new CustomMetric(bias, 'seconds')], /metric seconds is a function/],
    ['a function named as a validation', [new CustomMetric(bias, 'valMae')], /metric valMae is a function/],
    ['a class', [Dense], /CustomMetric: takes a function/],
  ])('compile throws for %s', (_what, metrics, says) => {
    const compile = () => identity(device, metrics as Asked);
    expect(compile).toThrow(ArgumentError);
    expect(compile).toThrow(says);
  });

  // Constants are created before, because a recorded step cannot upload host data.
  let other: Tensor;
  beforeAll(() => {
    other = tensor(device, [1, 2, 3], [3, 1]);
  });

  test.each<{ what: string; f: (y: Tensor, t: Tensor) => unknown; error: new (m: string) => Error; says: RegExp }>([
    {
      what: 'another shape',
      f: (y) => sum(y, { axis: 0 }),
      error: ShapeError,
      says: /metric own: must return one value \[\].*\[8\].*but returned \[1\]/,
    },
    { what: 'a number', f: () => 0.5, error: ArgumentError, says: /metric own: must return a tensor.*0\.5/ },
    { what: 'nothing', f: () => undefined, error: ArgumentError, says: /metric own: must return a tensor.*undefined/ },
    { what: 'a promise', f: async (y) => y, error: ArgumentError, says: /metric own: must return a tensor.*Promise/ },
    {
      what: 'an error',
      f: () => {
        throw new Error('out of ideas');
      },
      error: ArgumentError,
      says: /metric own: the function threw out of ideas/,
    },
    {
      what: 'an error of an operator',
      f: (y) => sub(y, other),
      error: ShapeError,
      says: /metric own: the function threw sub: .*\[8,1\]/,
    },
  ])('throws for a function that returns $what, and does not change the model', async ({ f, error, says }) => {
    const data = points(16);
    const metric = new CustomMetric(f as never, 'own');
    using model = regression(device, [metric]);
    const before = await model.predict(data.x);
    for (const run of [
      () => model.fit(data, { batchSize: 8 }),
      () => model.evaluate(data, { batchSize: 8 }),
      () => model.testOnBatch(data.x.slice(0, 16), data.y.slice(0, 8)),
    ]) {
      await expect(run()).rejects.toThrow(error);
      await expect(run()).rejects.toThrow(says);
    }
    expect(await model.predict(data.x)).toEqual(before);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
    expect((await model.fit(data, { batchSize: 8 })).epochs[0]!.mae).toEqual(expect.any(Number));
  });

  test('are NaN for outputs that are NaN or infinite', async () => {
    using model = identity(device, [...ALL, bias]);
    const figures = await model.evaluate({ x: [1, 2, 3], y: [1, 2, 3] });
    expect(figures.r2Score).toBe(1);
    using broken = new Sequential([
      new Rescaling({ scale: 3e38, offset: 0, inputShape: [1] }),
      new Rescaling({ scale: 0 }),
    ])
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [...ALL, bias] });
    const found = await broken.evaluate({ x: [10, 20], y: [1, 2] });
    for (const name of [...ALL, 'bias']) expect(found[name], name).toBeNaN();
  });
});
