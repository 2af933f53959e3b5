import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ArgumentError,
  BackupAndRestore,
  type Callback,
  CSVLogger,
  DataError,
  EarlyStopping,
  type EpochLogs,
  type FitOptions,
  JSONLLogger,
  LambdaCallback,
  ModelCheckpoint,
  ProgressLine,
  ReduceLROnPlateau,
  SGD,
  TensorBoard,
} from '../../src/node.ts';
import { readEvents } from '../io/event-reader.ts';
import { describeOnDevice } from '../support/device.ts';
import { build, points, sigmoid } from '../support/points.ts';

// Callbacks may add metrics to the logs, also in some epochs only. Other callbacks log and monitor them.

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-added-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const pathOf = (...names: string[]) => join(root, ...names);
const read = (name: string) => readFileSync(pathOf(name), 'utf8');

/** Adds the metric in the epochs that have a value. */
const adding = (name: string, values: readonly (number | null)[]): Callback => ({
  onEpochEnd(logs) {
    const value = values[logs.epoch - 1];
    if (typeof value === 'number') logs[name] = value;
  },
});

describeOnDevice('metrics that a callback adds', (device) => {
  const { x, labels: y } = points();
  const data = { x, y };
  const train = async (callbacks: Callback[], options: FitOptions = {}) => {
    using model = build(device, sigmoid(), { optimizer: new SGD({ learningRate: 1 }) });
    return await model.fit(data, { epochs: 4, batchSize: 20, ...options, callbacks });
  };

  test('are logged in the epochs that have them, and end no training', async () => {
    const lines: string[] = [];
    const note: Callback = { onEpochEnd: (logs) => void Object.assign(logs, logs.epoch === 2 ? { note: 'warm' } : {}) };
    const callbacks = [
      adding('late', [null, null, 0.5, null]),
      adding('early', [2, null, null, 3]),
      adding('val_auc', [null, 0.75, null, null]),
      note,
      new CSVLogger(pathOf('log.csv')),
      new JSONLLogger(pathOf('log.jsonl')),
      new TensorBoard({ logDir: pathOf('logs') }),
      new ProgressLine((line) => lines.push(line)),
    ];
    const history = await train(callbacks);
    const rows = read('log.csv')
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    const column = (name: string) => rows.slice(1).map((row) => row[rows[0]!.indexOf(name)]);
    expect(rows.map((row) => row.length)).toEqual(rows.map(() => rows[0]!.length));
    expect(column('epoch')).toEqual(['1', '2', '3', '4']);
    expect(column('loss')).toEqual(history.epochs.map(({ loss }) => String(loss)));
    expect(column('early')).toEqual(['2', 'NA', 'NA', '3']);
    expect(column('late')).toEqual(['NA', 'NA', '0.5', 'NA']);
    expect(column('val_auc')).toEqual(['NA', '0.75', 'NA', 'NA']);
    for (const epochs of [history.epochs, history.replicas[0]!]) {
      expect(epochs.map(({ late }) => late)).toEqual([undefined, undefined, 0.5, undefined]);
    }
    const objects = read('log.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects.map(({ early }) => early)).toEqual([2, undefined, undefined, 3]);
    expect(lines[2]).toContain(' - late: 0.5000');
    expect(lines[1]).toContain(' - note: "warm"');
    const curves = (run: string) =>
      readdirSync(pathOf('logs', run)).flatMap((name) =>
        readEvents(readFileSync(pathOf('logs', run, name))).flatMap(({ step, values }) =>
          values.map(({ tag, numbers }) => [step, tag, numbers[0]]),
        ),
      );
    expect(curves('train')).toEqual(
      expect.arrayContaining([
        [0, 'epoch_early', 2],
        [3, 'epoch_early', 3],
        [2, 'epoch_late', 0.5],
      ]),
    );
    expect(curves('validation')).toEqual([[1, 'epoch_auc', 0.75]]);
  });

  test('are appended to the file of an earlier session, whose columns stay in place', async () => {
    writeFileSync(pathOf('log.csv'), 'epoch;"a;b";loss\r\n1;5;0.25\r\n2;6;0.5\r\n');
    const logger = new CSVLogger(pathOf('log.csv'), { append: true, separator: ';' });
    logger.onTrainBegin();
    logger.onEpochEnd({ epoch: 3, loss: 1 } as EpochLogs);
    logger.onEpochEnd({ epoch: 4, loss: 2, 'my figure': 7 } as unknown as EpochLogs);
    logger.onEpochEnd({ epoch: 5, loss: 3, 'a;b': 8 } as unknown as EpochLogs);
    const expected = 'epoch;"a;b";loss;"my figure"\n1;5;0.25;NA\n2;6;0.5;NA\n3;NA;1;NA\n4;NA;2;7\n5;8;3;NA\n';
    expect(read('log.csv')).toBe(expected);
    const again = new CSVLogger(pathOf('log.csv'), { append: true, separator: ';' });
    again.onTrainBegin();
    again.onEpochEnd({ epoch: 6, loss: 4, 'my figure': 9 } as unknown as EpochLogs);
    expect(read('log.csv')).toBe(`${expected}6;NA;4;9\n`);
    // A file that is not a log is not changed.
    writeFileSync(pathOf('other.csv'), 'name,age\nA,3\n');
    const foreign = new CSVLogger(pathOf('other.csv'), { append: true });
    foreign.onTrainBegin();
    expect(() => foreign.onEpochEnd({ epoch: 3, loss: 1 } as EpochLogs)).toThrow(DataError);
    expect(read('other.csv')).toBe('name,age\nA,3\n');
  });

  test.each<[string, () => Callback]>([
    ['a plain object', () => adding('mine', [4, 2, 3, 5])],
    ['an object with `adds`', () => ({ ...adding('mine', [4, 2, 3, 5]), adds: ['mine'] })],
    [
      'a LambdaCallback',
      () => new LambdaCallback({ adds: ['mine'], onEpochEnd: adding('mine', [4, 2, 3, 5]).onEpochEnd! }),
    ],
    [
      'a class',
      () =>
        new (class {
          onEpochEnd = adding('mine', [4, 2, 3, 5]).onEpochEnd!;
        })(),
    ],
  ])('can be monitored, from %s', async (_, adder) => {
    const early = new EarlyStopping({ monitor: 'mine', patience: 2 });
    const history = await train([adder(), early]);
    expect([early.best, early.bestEpoch, early.stoppedEpoch, history.epochs.length]).toEqual([2, 2, 4, 4]);
    const rates = (await train([adder(), new ReduceLROnPlateau({ monitor: 'mine', patience: 1, factor: 0.5 })])).epochs;
    expect(rates.map(({ learningRate }) => learningRate)).toEqual([1, 1, 1, 0.5]);
    const best = new ModelCheckpoint({ path: pathOf('best-{epoch}-{mine:.1f}'), monitor: 'mine', saveBestOnly: true });
    await train([adder(), best]);
    expect(best.best).toBe(2);
    expect(readdirSync(root).sort()).toEqual(['best-1-4.0', 'best-2-2.0']);
  });

  test('can be monitored in camelCase and snake_case', async () => {
    for (const [name, monitor] of [
      ['my_score', 'myScore'],
      ['myScore', 'my_score'],
      ['my_score', 'my_score'],
    ] as const) {
      const early = new EarlyStopping({ monitor, mode: 'max', patience: 9 });
      await train([adding(name, [1, 3, 2, 0]), early]);
      expect([early.best, early.bestEpoch]).toEqual([3, 2]);
    }
  });

  test.each<[string, (values: (number | null)[]) => Callback, (number | null)[]]>([
    ['from the first epoch on need no declaration', (values) => adding('mine', values), [4, null, 2, null, 3, null, 3]],
    [
      'later are declared by `adds`',
      (values) => ({ ...adding('mine', values), adds: ['mine'] }),
      [null, null, 2, null, 3, null, 3],
    ],
  ])('epochs without them are skipped; values that come %s', async (_, adder, values) => {
    const early = new EarlyStopping({ monitor: 'mine', patience: 2 });
    const best = new ModelCheckpoint({ path: pathOf('best'), monitor: 'mine', saveBestOnly: true });
    const every = new ModelCheckpoint({ path: pathOf('all-{epoch}-{mine:.0f}'), saveWeightsOnly: true });
    const history = await train([adder(values), early, best, every], { epochs: 7 });
    expect([early.best, early.bestEpoch, early.stoppedEpoch, history.epochs.length]).toEqual([2, 3, 7, 7]);
    expect(best.best).toBe(2);
    expect(
      readdirSync(root)
        .filter((name) => /all/.test(name))
        .sort(),
    ).toEqual(values.map((value, i) => `all-${i + 1}-${value ?? 'NA'}`));
  });

  test('a training resumes in an epoch without them', async () => {
    const callbacks = (crash: boolean): Callback[] => [
      adding('mine', [4, null, null, 3]),
      new EarlyStopping({ monitor: 'mine', patience: 9 }),
      new ReduceLROnPlateau({ monitor: 'mine' }),
      new ModelCheckpoint({ path: pathOf('c-{mine}'), monitor: 'mine' }),
      new CSVLogger(pathOf('log.csv')),
      new BackupAndRestore({ path: pathOf('backup') }),
      {
        onEpochBegin: ({ epoch }) => {
          if (crash && epoch === 3) throw new RangeError('crash');
        },
      },
    ];
    await expect(train(callbacks(true))).rejects.toThrow('crash');
    expect((await train(callbacks(false))).epochs).toHaveLength(4);
    expect(read('log.csv').trim().split('\n')).toHaveLength(5);
    expect(existsSync(pathOf('backup'))).toBe(false);
  });

  const monitors: [string, (name: string) => Callback][] = [
    ['EarlyStopping', (monitor) => new EarlyStopping({ monitor })],
    ['ReduceLROnPlateau', (monitor) => new ReduceLROnPlateau({ monitor })],
    ['ModelCheckpoint', (monitor) => new ModelCheckpoint({ path: pathOf('x'), monitor, saveBestOnly: true })],
    ['ModelCheckpoint: path', (name) => new ModelCheckpoint({ path: pathOf(`x-{${name}}`) })],
  ];
  test.each(monitors)(
    '%s throws for a metric that nothing adds: before training if that is known, else after the first epoch',
    async (who, monitor) => {
      const seen: number[] = [];
      const note: Callback = { onEpochEnd: ({ epoch }) => void seen.push(epoch), adds: [] };
      const known = [
        note,
        new ProgressLine(() => {}),
        new CSVLogger(pathOf('log.csv')),
        new LambdaCallback({ onEpochBegin() {} }),
      ];
      const trainWith = (callbacks: Callback[]) => train(callbacks);
      const says = new RegExp(
        `^${who}: the epoch has no metric "mine"; there are .*loss.* A callback that adds it must come before`,
      );
      // After a callback that may add it, but does not.
      for (const callbacks of [
        [...known, monitor('mine')],
        [note, monitor('mine'), adding('mine', [1])],
      ]) {
        await expect(trainWith(callbacks)).rejects.toThrow(ArgumentError);
        await expect(trainWith(callbacks)).rejects.toThrow(says);
      }
      expect(seen).toEqual([]);
      await expect(trainWith([note, adding('other', [1]), monitor('mine')])).rejects.toThrow(says);
      expect(seen).toEqual([1]);
    },
  );

  test('adds: throws unless it is a list of names', async () => {
    await expect(train([{ adds: 'mine' as never }])).rejects.toThrow(/adds of a callback must be a list of names/);
    await expect(train([{ adds: [3] as never }])).rejects.toThrow(ArgumentError);
  });
});

describeOnDevice('ModelCheckpoint: paths in the forms of Keras and Python', (device) => {
  const { x, labels: y } = points();
  /** The files that one epoch with these metrics writes. */
  async function savedNames(path: string, metrics: Record<string, number> = {}): Promise<string[]> {
    using model = build(device, sigmoid());
    const fix: Callback = { onEpochEnd: (logs) => void Object.assign(logs, metrics) };
    const callbacks = [fix, new ModelCheckpoint({ path: pathOf(path), saveWeightsOnly: true })];
    await model.fit({ x, y }, { validationData: { x, y }, callbacks });
    return readdirSync(root);
  }

  // Results of Python's str.format for the same numbers.
  test.each<[path: string, figures: Record<string, number>, name: string]>([
    ['weights.{epoch:02d}-{val_loss:.2f}.h5', { valLoss: 0.456 }, 'weights.01-0.46.h5'],
    ['{val_loss:.2f}', { valLoss: 0.456 }, '0.46'],
    ['{valLoss:.2f}', { valLoss: 0.456 }, '0.46'],
    ['{val_accuracy:.4f}-{val_loss}', { valAccuracy: 0.5, valLoss: 0.25 }, '0.5000-0.25'],
    ['{learning_rate:.1e}', { learningRate: 0.00025 }, '2.5e-04'],
    ['{loss:e}', { loss: 123.456 }, '1.234560e+02'],
    ['{loss:.3e}', { loss: 0 }, '0.000e+00'],
    ['{loss:f}', { loss: 1.5 }, '1.500000'],
    ['{loss:.0f}', { loss: 2.75 }, '3'],
    ['{loss:08.3f}', { loss: 3.1428 }, '0003.143'],
    ['{loss:8.3f}', { loss: 3.1428 }, '   3.143'],
    ['{loss:+.1f}', { loss: 3.1428 }, '+3.1'],
    ['{loss:06.1f}', { loss: -3.1428 }, '-003.1'],
    ['{loss:g}', { loss: 0.0001234567 }, '0.000123457'],
    ['{loss:g}', { loss: 0.00001234567 }, '1.23457e-05'],
    ['{loss:g}', { loss: 1_234_567 }, '1.23457e+06'],
    ['{loss:.3g}', { loss: 1.5 }, '1.5'],
    ['{loss:.2g}', { loss: 99.9 }, '1e+02'],
    ['{loss:.1%}', { loss: 0.4567 }, '45.7%'],
    ['{epoch}-{epoch:d}-{epoch:03d}-{epoch:3d}', {}, '1-1-001-  1'],
    ['{{{epoch}}}', {}, '{1}'],
    ['a{{b}}', {}, 'a{b}'],
    ['{loss:.2f}', { loss: Number.NaN }, 'nan'],
  ])('%s of %o gives %s', async (path, metrics, name) => {
    expect(await savedNames(path, metrics)).toEqual([name]);
  });

  test.each(['{val_loss:.2q}', '{val_loss:>8.2f}', '{}', '{val loss}', '{loss!r}', '{loss:x}'])(
    'throws in the constructor for %s',
    (path) => {
      expect(() => new ModelCheckpoint({ path })).toThrow(ArgumentError);
      expect(() => new ModelCheckpoint({ path })).toThrow(/is not a metric such as \{epoch:02d\}/);
    },
  );

  test('throws before training for an integer format of a fraction', async () => {
    await expect(savedNames('{val_loss:02d}')).rejects.toThrow(/\{val_loss:02d\} in .* is for whole numbers; use f/);
    expect(readdirSync(root)).toEqual([]);
  });
});
