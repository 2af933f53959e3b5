import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  Adam,
  ArgumentError,
  Concatenate,
  Conv2D,
  CSVLogger,
  DataError,
  Dense,
  type Device,
  type EpochLogs,
  FileError,
  Flatten,
  ImageLoader,
  type Initializer,
  initializers,
  input,
  JSONLLogger,
  loadModel,
  loadWeights,
  Model,
  ModelCheckpoint,
  type ModelCheckpointOptions,
  Sequential,
  TensorBoard,
  type TensorBoardOptions,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { readEvents } from './event-reader.ts';

/** Simulates a disk that writes half of the data and is then full. */
const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const onFullDisk =
    (write: (path: string | number, content: string | Uint8Array) => void) =>
    (path: string | number, content: string | Uint8Array) => {
      write(path, disk.full ? content.slice(0, content.length / 2) : content);
      if (disk.full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
  return {
    ...fs,
    writeFileSync: onFullDisk(fs.writeFileSync as never),
    appendFileSync: onFullDisk(fs.appendFileSync as never),
  };
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-callbacks-'));
});
afterEach(() => {
  disk.full = false;
  rmSync(root, { recursive: true, force: true });
});
const pathOf = (...names: string[]) => join(root, ...names);
const read = (...names: string[]) => readFileSync(pathOf(...names), 'utf8');

const logs = (epoch: number, valLoss: number, more: Partial<EpochLogs> = {}): EpochLogs => ({
  epoch,
  loss: 0.5,
  accuracy: 0.25,
  valLoss,
  valAccuracy: 1 - valLoss,
  learningRate: 0.001,
  seconds: 2,
  samplesPerSecond: 10,
  ...more,
});
const HEADER = 'epoch,loss,accuracy,valLoss,valAccuracy,learningRate,seconds,samplesPerSecond';

test('CSVLogger: writes a header, and a row for each epoch', () => {
  const logger = new CSVLogger(pathOf('new', 'log.csv'));
  logger.onTrainBegin();
  logger.onEpochEnd(logs(1, 0.5));
  logger.onEpochEnd(logs(2, Number.NaN));
  expect(read('new', 'log.csv')).toBe(`${HEADER}\n1,0.5,0.25,0.5,0.5,0.001,2,10\n2,0.5,0.25,NaN,NaN,0.001,2,10\n`);
});

test('CSVLogger: overwrites the file, or appends after the last complete line with the columns of the file', () => {
  const path = pathOf('log.csv');
  writeFileSync(path, 'age;valLoss\n1;0.5\n');
  const foreign = new CSVLogger(path, { append: true, separator: ';' });
  foreign.onTrainBegin();
  expect(() => foreign.onEpochEnd(logs(2, 0.4))).toThrow(DataError);
  expect(() => foreign.onEpochEnd(logs(2, 0.4))).toThrow(
    /has the columns age, valLoss, but a log has one called epoch/,
  );
  writeFileSync(path, 'epoch;valLoss\n1;0.5\n2;0.');
  const resumed = new CSVLogger(path, { append: true, separator: ';' });
  resumed.onTrainBegin();
  resumed.onEpochEnd({ valLoss: 0.25, epoch: 2 } as EpochLogs);
  expect(read('log.csv')).toBe('epoch;valLoss\n1;0.5\n2;0.25\n');
  const overwriting = new CSVLogger(path);
  overwriting.onTrainBegin();
  overwriting.onEpochEnd(logs(1, 0.5));
  expect(read('log.csv').split('\n')[0]).toBe(HEADER);
});

test('CSVLogger: quotes values that are not numbers', () => {
  const logger = new CSVLogger(pathOf('log.csv'));
  logger.onTrainBegin();
  logger.onEpochEnd({ epoch: 1, perClass: [0.5, 1], note: 'a "b"' } as unknown as EpochLogs);
  expect(read('log.csv')).toBe('epoch,perClass,note\n1,"[0.5,1]","""a \\""b\\"""""\n');
});

test('JSONLLogger: writes an object for each epoch, and appends after the last complete line', () => {
  const path = pathOf('log.jsonl');
  writeFileSync(path, '{"epoch":1}\n{"epo');
  const logger = new JSONLLogger(path, { append: true });
  logger.onTrainBegin();
  logger.onEpochEnd(logs(2, Number.NaN));
  const lines = read('log.jsonl').split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { epoch: 1 },
    { ...logs(2, 0), valLoss: null, valAccuracy: null },
  ]);
  const overwriting = new JSONLLogger(path);
  overwriting.onTrainBegin();
  expect(read('log.jsonl')).toBe('');
});

test('CSVLogger, JSONLLogger: a full disk leaves complete lines, and the error says so', () => {
  const logger = new JSONLLogger(pathOf('log.jsonl'));
  logger.onTrainBegin();
  logger.onEpochEnd(logs(1, 0.5));
  disk.full = true;
  expect(() => logger.onEpochEnd(logs(2, 0.4))).toThrow(FileError);
  expect(() => logger.onEpochEnd(logs(2, 0.4))).toThrow(/cannot write .*log\.jsonl: the disk is full/);
  disk.full = false;
  logger.onEpochEnd(logs(3, 0.3));
  expect(
    read('log.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).epoch),
  ).toEqual([1, 3]);
});

const options = <T>(value: unknown) => value as T;
test.each<[what: string, make: () => unknown, says: RegExp]>([
  ['a CSV log without path', () => new CSVLogger(options<string>(undefined)), /needs the path of a file.*undefined/],
  [
    'a separator of two characters',
    () => new CSVLogger('x', { separator: '::' }),
    /separator must be a character.*"::"/,
  ],
  ['a point between numbers', () => new CSVLogger('x', { separator: '.' }), /separator must be/],
  ['a JSON log without path', () => new JSONLLogger(''), /JSONLLogger: needs the path/],
  ['a checkpoint without options', () => new ModelCheckpoint(options(null)), /options must be an object/],
  ['a checkpoint without path', () => new ModelCheckpoint(options({})), /path must be that of a file/],
  ['another mode', () => new ModelCheckpoint(options({ path: 'x', mode: 'best' })), /mode must be auto, min or max/],
  ['no metric', () => new ModelCheckpoint({ path: 'x', monitor: '' }), /monitor must be the name of a metric/],
  ['half an epoch', () => new TensorBoard({ histogramFreq: 0.5 }), /histogramFreq must be an integer from 0 up/],
  ['no folder', () => new TensorBoard({ logDir: '' }), /logDir must be the path of a folder/],
  ['a JPEG', () => new TensorBoard({ modelImage: new Uint8Array(30) }), /modelImage must be the bytes of a PNG/],
])('throws for %s', (_, make, says) => {
  expect(make).toThrow(ArgumentError);
  expect(make).toThrow(says);
});

const loss = 'sparseCategoricalCrossentropy';
const shape: [number, number, number] = [6, 6, 1];
/** The header of a 24 x 18 picture. */
const png = Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 24, 0, 0, 0, 18]);

function network(): Model {
  const x = input(shape);
  const inner = new Sequential([new Conv2D({ filters: 2, kernelSize: 3, inputShape: shape }), new Flatten()], 'inner');
  const both = new Concatenate().apply([inner.apply(x), new Flatten().apply(x)]);
  return new Model({ inputs: x, outputs: new Dense({ units: 3, activation: 'softmax' }).apply(both) });
}

describeOnDevice('callbacks that write files', (device: Device) => {
  const training = () => new ImageLoader(device, drawImages(20, { shape, classes: 3 }));
  const buildCompiled = (seed = 1) => network().build(device, { seed }).compile({ optimizer: new Adam(), loss });

  /** Calls a checkpoint as `fit` does, for epochs with those validation losses, each after a change of the weights. */
  async function save(model: Model, options: ModelCheckpointOptions, losses: readonly number[], more = {}) {
    const checkpoint = new ModelCheckpoint(options);
    checkpoint.onTrainBegin({ model, monitored: Object.keys(logs(1, 0, more)) });
    for (const [i, valLoss] of losses.entries()) {
      device.upload(model.weights[1]!.tensor.array.storage, Float32Array.of(i + 1, 0));
      await checkpoint.onEpochEnd(logs(i + 1, valLoss, more));
    }
    return checkpoint;
  }
  const savedAt = (path: string) => {
    const model = loadModel(path, device);
    return model.weights[1]!.tensor.data().then(([epoch]) => {
      model.dispose();
      return epoch;
    });
  };

  test('ModelCheckpoint: saves after every epoch, under names with metrics', async () => {
    const model = buildCompiled();
    await save(model, { path: pathOf('last.safetensors') }, [0.5, 0.7]);
    expect(await savedAt(pathOf('last.safetensors'))).toBe(2);
    await save(model, { path: pathOf('e{epoch:03d}-{valLoss:.1f}-{epoch}'), saveWeightsOnly: true }, [0.52, 0.78]);
    expect(readdirSync(root).sort()).toEqual(['e001-0.5-1', 'e002-0.8-2', 'last.safetensors']);
    expect(() => loadModel(pathOf('e001-0.5-1'), device)).toThrow(/no model.*loadWeights/);
    expect(loadWeights(model, pathOf('e001-0.5-1'))).toHaveLength(4);
    expect([...(await model.weights[1]!.tensor.data())]).toEqual([1, 0]);
    await expect(save(model, { path: pathOf('{nothing}') }, [1])).rejects.toThrow(
      /no metric "nothing"; there are epoch, loss/,
    );
    model.dispose();
  });

  test('ModelCheckpoint: keeps the best by loss, by accuracy or by mode; NaN is never better', async () => {
    const model = buildCompiled();
    const path = pathOf('best.safetensors');
    const best = { path, saveBestOnly: true };
    expect((await save(model, best, [Number.NaN, 0.5, 0.4, 0.4, 0.6])).best).toBe(0.4);
    expect(await savedAt(path)).toBe(3);
    await save(model, { ...best, monitor: 'valAccuracy' }, [0.5, 0.7, 0.6]);
    expect(await savedAt(path)).toBe(1);
    await save(model, { ...best, mode: 'max' }, [0.5, 0.7, 0.6]);
    expect(await savedAt(path)).toBe(2);
    const missing = save(model, best, [0.5], { valLoss: undefined });
    await expect(missing).rejects.toThrow(ArgumentError);
    await expect(missing).rejects.toThrow(/no metric "valLoss".*need validationData/);
    const begin = () => new ModelCheckpoint(best).onTrainBegin({ model, monitored: ['loss', 'accuracy'] });
    expect(begin).toThrow(/no metric "valLoss".*need validationData/);
    model.dispose();
  });

  test('ModelCheckpoint: a full disk keeps the old checkpoint complete, and no part of a new one', async () => {
    const model = buildCompiled();
    const path = pathOf('model.safetensors');
    await save(model, { path }, [0.5]);
    disk.full = true;
    const failed = save(model, { path }, [0.4, 0.3]);
    await expect(failed).rejects.toThrow(FileError);
    await expect(failed).rejects.toThrow(/cannot write .*model\.safetensors: the disk is full/);
    disk.full = false;
    expect(await savedAt(path)).toBe(1);
    expect(readdirSync(root)).toEqual(['model.safetensors']);
    model.dispose();
  });

  test('ModelCheckpoint: throws before training for a model that cannot be saved', async () => {
    const kernelInitializer: Initializer = (shape, random) => initializers.glorotNormal(shape, random);
    const model = new Sequential([
      new Flatten({ inputShape: shape }),
      new Dense({ units: 3, kernelInitializer, activation: 'softmax' }),
    ]);
    model.build(device).compile({ optimizer: 'sgd', loss });
    const loader = training();
    const seen: EpochLogs[] = [];
    const train = (saveWeightsOnly: boolean) =>
      model.fit(loader, {
        callbacks: [
          new ModelCheckpoint({ path: pathOf('m'), saveWeightsOnly }),
          { onEpochEnd: (logs) => void seen.push(logs) },
        ],
      });
    await expect(train(false)).rejects.toThrow(/kernelInitializer is a function.*saveWeights/);
    expect(seen).toEqual([]);
    await train(true);
    expect(readdirSync(root)).toEqual(['m']);
    for (const one of [model, loader]) one.dispose();
  });

  /** The events in the only file below a folder. */
  function eventsOf(...folder: string[]) {
    const [name, ...others] = readdirSync(pathOf(...folder));
    expect(others).toEqual([]);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    expect(name).toContain(hostname());
    return readEvents(readFileSync(pathOf(...folder, name!)));
  }
  async function fitWith(options: TensorBoardOptions, validate = true) {
    const model = buildCompiled();
    const loader = training();
    const history = await model.fit(loader, {
      epochs: 3,
      batchSize: 10,
      ...(validate ? { validationData: loader } : {}),
      callbacks: [new TensorBoard({ logDir: pathOf('logs'), ...options })],
    });
    const weights = await Promise.all(model.weights.map(async ({ tensor }) => [...(await tensor.data())]));
    for (const one of [model, loader]) one.dispose();
    return { history, weights };
  }

  test('TensorBoard: writes curves, histograms, drawing, summary and picture', async () => {
    const startSeconds = Date.now() / 1000;
    const { history, weights } = await fitWith({ histogramFreq: 2, modelImage: png });
    const events = eventsOf('logs', 'train');
    expect(events[0]!.version).toBe('brain.Event:2');
    for (const { wallTime } of events) expect(Math.abs(wallTime - startSeconds)).toBeLessThan(600);
    const values = events.flatMap(({ step, values }) => values.map((value) => ({ step, ...value })));
    const curve = (tag: string) =>
      values.filter((value) => value.tag === tag).map(({ step, numbers }) => [step, ...numbers]);
    const expectedCurve = (of: (logs: EpochLogs) => number) =>
      history.epochs.map((logs, i) => [i, Math.fround(of(logs))]);
    expect(curve('epoch_loss')).toEqual(expectedCurve(({ loss }) => loss));
    expect(curve('epoch_accuracy')).toEqual(expectedCurve(({ accuracy }) => accuracy!));
    expect(curve('epoch_learning_rate')).toEqual(expectedCurve(({ learningRate }) => learningRate));
    const histograms = values.filter(({ plugin }) => plugin === 'histograms');
    expect(histograms.map(({ step, tag }) => `${step} ${tag}`)).toEqual(
      [0, 2].flatMap((step) =>
        ['inner/conv2d/kernel', 'inner/conv2d/bias', 'dense/kernel', 'dense/bias'].map((w) => `${step} ${w}/histogram`),
      ),
    );
    for (const [i, { numbers }] of histograms.slice(4).entries()) {
      const counts = numbers.filter((_, i) => i % 3 === 2);
      expect(counts.reduce((a, b) => a + b)).toBe(weights[i]!.length);
      expect([numbers[0], numbers.at(-2)]).toEqual([Math.min(...weights[i]!), Math.max(...weights[i]!)]);
    }
    expect(events.find(({ graph }) => graph)!.graph).toEqual([
      { name: 'input', op: 'Input', inputs: [] },
      { name: 'inner/conv2d', op: 'Conv2D', inputs: ['input'] },
      { name: 'inner/flatten', op: 'Flatten', inputs: ['inner/conv2d'] },
      { name: 'flatten', op: 'Flatten', inputs: ['input'] },
      { name: 'concatenate', op: 'Concatenate', inputs: ['inner/flatten', 'flatten'] },
      { name: 'dense', op: 'Dense', inputs: ['concatenate'] },
    ]);
    const strings = (plugin: string) => values.find((value) => value.plugin === plugin)!.strings;
    expect(new TextDecoder().decode(strings('text')[0])).toContain('    dense (Dense)');
    expect(
      strings('images')
        .slice(0, 2)
        .map((s) => new TextDecoder().decode(s)),
    ).toEqual(['24', '18']);
    expect([...strings('images')[2]!]).toEqual([...png]);
    const validation = eventsOf('logs', 'validation').flatMap(({ step, values }) =>
      values.map(({ tag, numbers }) => [step, tag, ...numbers]),
    );
    expect(validation).toEqual(
      history.epochs.flatMap(({ valLoss, valAccuracy }, i) => [
        [i, 'epoch_loss', Math.fround(valLoss!)],
        [i, 'epoch_accuracy', Math.fround(valAccuracy!)],
      ]),
    );
  });

  test('TensorBoard: writes only what was requested, and a second training into another file', async () => {
    await fitWith({ writeGraph: false }, false);
    expect(readdirSync(pathOf('logs'))).toEqual(['train']);
    const [version, start, ...rest] = eventsOf('logs', 'train');
    expect([version!.version, start!.start, start!.step]).toEqual(['brain.Event:2', true, 1]);
    expect(rest.map(({ step, graph }) => [step, graph])).toEqual([0, 1, 2].map((step) => [step, undefined]));
    expect(new Set(rest.flatMap(({ values }) => values.map(({ plugin }) => plugin)))).toEqual(new Set(['scalars']));
    await fitWith({}, false);
    expect(readdirSync(pathOf('logs', 'train'))).toHaveLength(2);
  });

  test('TensorBoard: epochs that are trained again replace those it has shown', async () => {
    const model = buildCompiled();
    const board = new TensorBoard({ logDir: pathOf('logs') });
    board.onTrainBegin({ model });
    for (const epoch of [1, 2, 3]) await board.onEpochEnd(logs(epoch, 0.5));
    board.onTrainBegin({ model }); // after a crash, with a backup of epoch 1
    for (const epoch of [2, 3]) await board.onEpochEnd(logs(epoch, 0.4));
    model.dispose();
    for (const of of ['train', 'validation']) {
      const files = readdirSync(pathOf('logs', of)).sort();
      const starts = files.map((name) =>
        readEvents(readFileSync(pathOf('logs', of, name))).filter(({ start }) => start),
      );
      // The first session starts the run; at a later one TensorBoard deletes its first step and all later steps.
      expect(starts.map((found) => found.map(({ step }) => step))).toEqual([[1], [1]]);
    }
  });

  test('TensorBoard: throws for a folder that it cannot create', async () => {
    appendFileSync(pathOf('logs'), 'a file');
    await expect(fitWith({})).rejects.toThrow(/cannot write .*train: a part of the path is a file/);
  });
});
