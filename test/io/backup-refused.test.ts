import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  Adam,
  ArgumentError,
  BackupAndRestore,
  type BackupAndRestoreOptions,
  CategoricalCrossentropy,
  CSVLogger,
  DataError,
  Dense,
  Dropout,
  EarlyStopping,
  FileError,
  SGD,
  schedules,
} from '../../src/node.ts';
import {
  backupTrainings,
  batches,
  Crash,
  crash,
  layers,
  STEPS,
  streamOptions,
  type Training,
  x,
  y,
} from '../support/backup-trainings.ts';
import { describeOnDevice } from '../support/device.ts';

/** Simulates a disk that writes half of the data and is then full. */
const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const writeFileSync = (path: string, content: Uint8Array, options?: object) => {
    fs.writeFileSync(path, disk.full ? content.slice(0, content.length / 2) : content, options);
    if (disk.full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return { ...fs, writeFileSync };
});
afterEach(() => {
  disk.full = false;
});

describeOnDevice('BackupAndRestore: errors', (device) => {
  const { place, monitors, train } = backupTrainings(device);

  test('throws DataError if a stream ends before the step of the backup', async () => {
    const training: Training = { data: () => () => batches(0, STEPS), fit: streamOptions };
    await expect(train(training, { after: [3, crash] })).rejects.toThrow(Crash);
    const shorter = train({ ...training, data: () => () => batches(0, 2) });
    await expect(shorter).rejects.toThrow(DataError);
    await expect(shorter).rejects.toThrow(/ended after 2 batches, but the resumed training has trained on 3/);
  });

  const other = { x: x.map((value) => -value), y };
  test.each<[what: string, change: Training, says: RegExp]>([
    [
      'layers',
      { layers: () => [new Dense({ units: 2, activation: 'softmax', inputShape: [2] })] },
      /weights\.dense\/kernel was "\[2,6\]" and is "\[2,2\]"/,
    ],
    [
      'units',
      { layers: () => [new Dense({ units: 7, activation: 'relu', inputShape: [2] }), ...layers().slice(1)] },
      /was "\[2,6\]" and is "\[2,7\]"/,
    ],
    [
      'dropout',
      { layers: () => [...layers().slice(0, 2), new Dropout(0.4), ...layers().slice(3)] },
      /layers\.2\.config\.rate was 0\.3 and is 0\.4/,
    ],
    [
      'frozen layers',
      {
        layers: () => [
          new Dense({ units: 6, activation: 'relu', inputShape: [2], trainable: false }),
          ...layers().slice(1),
        ],
      },
      /dense\/kernel was "\[2,6\]" and is "\[2,6\] \(not trained\)"/,
    ],
    ['samples', { data: () => other }, /data\.samples\.0 was \d+ and is \d+/],
    [
      'labels',
      { data: () => ({ x, y: y.map((label, i) => (i === 39 ? 1 - label : label)) }) },
      /data\.labels was \d+ and is \d+/,
    ],
    ['fewer samples', { data: () => ({ x: x.subarray(4), y: y.slice(2) }) }, /data\.size was 40 and is 38/],
    ['a stream', { data: () => () => batches(0, STEPS), fit: streamOptions }, /data was .* and is "a stream"/],
    ['validation', { fit: { validationSplit: undefined, validationData: other } }, /validationData/],
    ['a batch size', { fit: { batchSize: 8 } }, /batchSize was 7 and is 8/],
    ['a seed', { fit: { seed: 4 } }, /seed was 3 and is 4/],
    ['replicas', { fit: { replicas: 2 } }, /replicas was 1 and is 2/],
    ['shuffling', { fit: { shuffle: false } }, /shuffle was true and is false/],
    ['class weights', { fit: { classWeight: [1, 2] } }, /classWeight was none and is \[1,2\]/],
    ['a first epoch', { fit: { initialEpoch: 1 } }, /initialEpoch was 0 and is 1/],
    [
      'a loss',
      { loss: new CategoricalCrossentropy() },
      /loss was "sparseCategoricalCrossentropy" and is "categoricalCrossentropy"/,
    ],
    [
      'options of the loss',
      { loss: new CategoricalCrossentropy({ labelSmoothing: 0.1 }) },
      /loss was .*labelSmoothing/,
    ],
    ['an optimizer', { optimizer: () => new SGD() }, /optimizer\.name was "adam" and is "sgd"/],
    [
      'its options',
      { optimizer: () => new Adam({ beta1: 0.8, clipValue: 1 }) },
      /clipValue was none and is 1|beta1 was 0\.9 and is 0\.8/,
    ],
    [
      'callbacks in another order',
      { callbacks: () => monitors().reverse() },
      /callbacks\.0 was "EarlyStopping" and is "ModelCheckpoint"/,
    ],
    [
      'callbacks',
      { callbacks: () => [...monitors(), new EarlyStopping()] },
      /callbacks\.3 was none and is "EarlyStopping"/,
    ],
  ])('throws ArgumentError if the backup is of a training with other %s', async (_, change, says) => {
    await expect(train({}, { after: [4, crash] })).rejects.toThrow(Crash);
    const before = readFileSync(place.path);
    const refused = train(change, { after: [1, crash] });
    await expect(refused).rejects.toThrow(ArgumentError);
    await expect(refused).rejects.toThrow(says);
    await expect(refused).rejects.toThrow(/backup\.safetensors is of another training/);
    expect(readFileSync(place.path).equals(before)).toBe(true);
  });

  test('throws ArgumentError if a replica has another seed, dropout rate or penalty', async () => {
    const by = (numbers: { seed?: number[]; dropout?: number[]; l2?: number[] }): Training => ({
      layers: () => [
        new Dense({ units: 2, kernelRegularizer: { l1: 0, l2: numbers.l2 ?? [0, 0.1] }, inputShape: [2] }),
        new Dropout(numbers.dropout ?? [0.1, 0.5]),
        new Dense({ units: 2, activation: 'softmax' }),
      ],
      fit: { seed: numbers.seed ?? [3, 17] },
    });
    await expect(train(by({}), { after: [4, crash] })).rejects.toThrow(Crash);
    await expect(train(by({ seed: [3, 18] }))).rejects.toThrow(/seed\.1 was 17 and is 18/);
    await expect(train(by({ dropout: [0.1, 0] }))).rejects.toThrow(/config\.rate\.1 was 0\.5 and is 0\./);
    await expect(train(by({ l2: [0, 0.2] }))).rejects.toThrow(/l2\.1 was 0\.1 and is 0\.2/);
  });

  test('throws ArgumentError if the schedule differs', async () => {
    const by = (decayRate: number): Training => ({
      optimizer: () =>
        new SGD({ learningRate: schedules.exponentialDecay({ initialLearningRate: 1, decaySteps: 3, decayRate }) }),
      callbacks: () => [],
    });
    await expect(train(by(0.5), { after: [4, crash] })).rejects.toThrow(Crash);
    await expect(train(by(0.25))).rejects.toThrow(/the schedule's learning rate was 0\.5 and is 0\.25/);
    await expect(train({ ...by(0.5), optimizer: () => new SGD() })).rejects.toThrow(
      /learning rate was 0\.5 and is none/,
    );
  });

  test("throws ArgumentError if a replica's schedule differs", async () => {
    const each = (rates: number[]): Training => ({
      ...{ fit: { replicas: 2 }, callbacks: () => [] },
      optimizer: () =>
        new SGD({
          learningRate: rates.map((decayRate) =>
            schedules.exponentialDecay({ initialLearningRate: 1, decaySteps: 3, decayRate }),
          ),
        }),
    });
    await expect(train(each([0.5, 0.25]), { after: [4, crash] })).rejects.toThrow(Crash);
    await expect(train(each([0.5, 0.75]))).rejects.toThrow(/learning rate\.1 was 0\.25 and is 0\.75/);
  });

  test('throws DataError for a damaged file, before training starts', async () => {
    await expect(train({}, { after: [4, crash] })).rejects.toThrow(Crash);
    const bytes = readFileSync(place.path);
    bytes[bytes.length - 9]! ^= 4;
    writeFileSync(place.path, bytes);
    const refused = train({}, { after: [1, crash] });
    await expect(refused).rejects.toThrow(DataError);
    await expect(refused).rejects.toThrow(/backup\.safetensors is damaged/);
  });

  test('a log file is truncated only if the backup fits', async () => {
    const log = join(place.root, 'log.csv');
    const training: Training = { callbacks: () => [new CSVLogger(log)], backup: { saveFreq: 'epoch' } };
    await expect(train(training, { after: [2 * STEPS + 1, crash] })).rejects.toThrow(Crash);
    const lines = readFileSync(log, 'utf8');
    expect(lines.split('\n')).toHaveLength(4);
    await expect(train({ ...training, fit: { batchSize: 8 } })).rejects.toThrow(/of another training/);
    expect(readFileSync(log, 'utf8')).toBe(lines);
  });

  test('a full disk keeps the old backup, and training resumes from it', async () => {
    const whole = await train({ callbacks: () => [] });
    const fill = () => {
      disk.full = true;
    };
    const failed = train({ callbacks: () => [] }, { after: [4, fill] });
    await expect(failed).rejects.toThrow(FileError);
    await expect(failed).rejects.toThrow(/cannot write .*backup\.safetensors: the disk is full/);
    disk.full = false;
    expect(readdirSync(place.root)).toEqual(['backup.safetensors']);
    const resumed = await train({ callbacks: () => [] }, { seed: 2 });
    expect(resumed.resumedFrom).toEqual({ epoch: 1, step: 3 });
    expect(resumed.left).toEqual(whole.left);
  });
});

test.each<[what: string, options: unknown, says: RegExp]>([
  ['no path', {}, /path must be that of a file, but is undefined/],
  ['no options', null, /options must be an object/],
  ['half a step', { path: 'x', saveFreq: 0.5 }, /saveFreq must be 'epoch' or a positive number of steps, but is 0.5/],
  ['no step', { path: 'x', saveFreq: 0 }, /saveFreq/],
  ['days', { path: 'x', saveFreq: 'day' }, /saveFreq .* but is "day"/],
])('BackupAndRestore: throws for %s', (_, options, says) => {
  expect(() => new BackupAndRestore(options as BackupAndRestoreOptions)).toThrow(ArgumentError);
  expect(() => new BackupAndRestore(options as BackupAndRestoreOptions)).toThrow(says);
});
