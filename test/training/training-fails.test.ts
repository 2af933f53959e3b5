import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Arrays,
  BackupAndRestore,
  type Callback,
  CSVLogger,
  type Device,
  DeviceLostError,
  DisposedError,
  EarlyStopping,
  type EpochLogs,
  type FitOptions,
  type History,
  LambdaCallback,
  ModelCheckpoint,
  openDevice,
  type Sequential,
  TensorBoard,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { build, points, sigmoid, weightsOf } from '../support/points.ts';

// However a training ends, every callback that has begun is ended, and the first error is the one that `fit` throws.

class Failure extends Error {}
const fail = (): never => {
  throw new Failure('the first error');
};

describeOnDevice('a training that fails', (device) => {
  const { x, labels: y } = points();
  const data = { x, y };
  const late =
    (epoch: number) =>
    ({ epoch: now }: { epoch: number }) =>
      void (now === epoch && fail());

  async function* brokenStream(): AsyncGenerator<Arrays> {
    yield data;
    fail();
  }
  type Ending = [what: string, data: TrainingData, options: FitOptions, epochs: number];
  const endings: Ending[] = [
    ['a callback in onEpochBegin', data, { callbacks: [{ onEpochBegin: late(2) }] }, 1],
    ['a callback in onSteps', data, { callbacks: [{ everySteps: 2, onSteps: late(2) }] }, 1],
    ['a callback in onEpochEnd', data, { callbacks: [{ onEpochEnd: late(2) }] }, 2],
    [
      'a callback in onSafePoint',
      data,
      { callbacks: [{ onSafePoint: ({ after }) => void (after === 'epoch' && fail()) }] },
      1,
    ],
    ['a callback in onTrainBegin', data, { callbacks: [{ onTrainBegin: fail }] }, 0],
    ['the stream', brokenStream, {}, 0],
    ['a batch that does not fit', () => [data, { x: [1, 2, 3], y: [1] }], {}, 0],
    ['validation', data, { validationData: brokenStream }, 0],
  ];

  test.each(endings)(
    'by %s: onTrainEnd is called once, with the error, for every callback that was started',
    async (what, data, options, epochs) => {
      using model = build(device, sigmoid());
      const ended: [string, History, unknown][] = [];
      const namedCallback = (name: string) =>
        new LambdaCallback({ onTrainEnd: (history, failure) => void ended.push([name, history, failure]) });
      const callbacks = [namedCallback('first'), ...(options.callbacks ?? []), namedCallback('last')];
      const error = await model.fit(data, { epochs: 4, ...options, callbacks }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(Error);
      // One that had not begun has nothing to end.
      const started = what === 'a callback in onTrainBegin' ? ['first'] : ['first', 'last'];
      expect(ended.map(([name]) => name)).toEqual(started);
      for (const [, history, failure] of ended) {
        expect(failure).toEqual({ error });
        expect([history.interrupted, history.epochs.length]).toEqual([true, epochs]);
      }
    },
  );

  test.each(endings.filter(([, , , epochs]) => epochs > 0))(
    'by %s: EarlyStopping restores the best weights and keeps no copy',
    async (_, data, options, epochs) => {
      const train = async () => {
        using model = build(device, sigmoid());
        const weights: number[][] = [];
        // The first epoch is the best.
        const early = new EarlyStopping({ monitor: 'loss', mode: 'max', patience: 9, restoreBestWeights: true });
        const note: Callback = { onEpochEnd: async () => void weights.push(await weightsOf(model)) };
        const callbacks = [note, early, ...(options.callbacks ?? [])];
        await expect(model.fit(data, { epochs: 4, batchSize: 10, ...options, callbacks })).rejects.toThrow(Failure);
        expect(weights).toHaveLength(epochs);
        expect(early.bestEpoch).toBe(1);
        expect(await weightsOf(model)).toEqual(weights[0]);
        expect([...model.parameters.copies]).toEqual([]);
      };
      await train();
    },
  );

  test('an abort by a signal is not a failure', async () => {
    using model = build(device, sigmoid());
    const stop = new AbortController();
    const ended: unknown[] = [];
    const callbacks: Callback[] = [
      {
        onEpochEnd: () => stop.abort(),
        onTrainEnd: ({ interrupted }, failure) => void ended.push(interrupted, failure),
      },
    ];
    await model.fit(data, { epochs: 3, signal: stop.signal, callbacks });
    await model.fit(data, {
      epochs: 1,
      callbacks: [{ onTrainEnd: ({ interrupted }, failure) => void ended.push(interrupted, failure) }],
    });
    expect(ended).toEqual([true, null, false, null]);
  });

  test('errors in later hooks do not replace the first one, and do not keep other callbacks from being called', async () => {
    using model = build(device, sigmoid());
    const ended: unknown[] = [];
    const other = () => {
      throw new RangeError('of a hook');
    };
    const note: Callback = { onTrainEnd: (_, failure) => void ended.push((failure!.error as Error).message) };
    await expect(
      model.fit(data, { callbacks: [{ onTrainEnd: other }, { onEpochEnd: fail, onTrainEnd: other }, note] }),
    ).rejects.toThrow(Failure);
    // Where training went well, the first of theirs is thrown.
    await expect(model.fit(data, { callbacks: [{ onTrainEnd: other }, note] })).rejects.toThrow('of a hook');
    expect(ended).toEqual(['the first error', 'of a hook']);
  });

  test.each<[string, (device: Device) => void, new (...of: never[]) => Error]>([
    ['lost', ({ gpu }) => gpu.destroy(), DeviceLostError],
    ['disposed', (device) => device.dispose(), DisposedError],
  ])('a device that is %s: a typed error, and all callbacks are ended', async (_, lose, error) => {
    const otherDevice = await openDevice();
    const model = build(otherDevice, sigmoid());
    const ended: unknown[] = [];
    const early = new EarlyStopping({ monitor: 'loss', restoreBestWeights: true });
    const callbacks: Callback[] = [
      early,
      {
        onEpochEnd: ({ epoch }) => void (epoch === 2 && lose(otherDevice)),
        onTrainEnd: (_, failure) => void ended.push(failure?.error),
      },
    ];
    const training = model.fit(data, { epochs: 4, callbacks });
    await expect(training).rejects.toThrow(error);
    expect(ended).toEqual([expect.any(error)]);
    expect([...model.parameters.copies]).toEqual([]);
    otherDevice.dispose();
  });

  test("no progress is reported after a callback's end", async () => {
    using model = build(device, sigmoid());
    const heard: string[] = [];
    async function* stream(): AsyncGenerator<Arrays> {
      while (heard.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 15)); // figures are read a few times a second
        yield data;
      }
      fail();
    }
    const slow: Callback = {
      async onBatchEnd() {
        heard.push('progress');
        await new Promise((resolve) => setTimeout(resolve, 50));
        heard.push('progress heard');
      },
      onTrainEnd: () => void heard.push('end'),
    };
    await expect(model.fit(stream, { callbacks: [slow] })).rejects.toThrow(Failure);
    expect(heard).toEqual(['progress', 'progress heard', 'end']);
  });

  test('files: logs have the finished epochs, and the backup is kept to resume from', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-fails-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = (name: string) => join(folder, name);
    const train = async (model: Sequential, failing: readonly Callback[]) => {
      const backup = new BackupAndRestore({ path: path('backup') });
      const files = [
        new CSVLogger(path('log.csv')),
        new TensorBoard({ logDir: path('logs') }),
        new ModelCheckpoint({ path: path('checkpoint') }),
        backup,
      ];
      const callbacks = [...files, ...failing];
      return { backup, history: await model.fit(data, { epochs: 3, callbacks }) };
    };
    using model = build(device, sigmoid());
    const failing: Callback = { onEpochEnd: late(3) };
    await expect(train(model, [failing])).rejects.toThrow(Failure);
    expect(readFileSync(path('log.csv'), 'utf8').trim().split('\n')).toHaveLength(4);
    expect(['checkpoint', 'backup'].map((name) => existsSync(path(name)))).toEqual([true, true]);
    using again = build(device, sigmoid());
    const { backup, history } = await train(again, []);
    expect(backup.resumedFrom).toEqual({ epoch: 3, step: 0 });
    using whole = build(device, sigmoid());
    const undisturbed = await whole.fit(data, { epochs: 3 });
    const losses = ({ epochs }: { epochs: EpochLogs[] }) => epochs.map(({ loss }) => loss);
    expect(losses(history)).toEqual(losses(undisturbed));
    expect(existsSync(path('backup'))).toBe(false);
  });
});
