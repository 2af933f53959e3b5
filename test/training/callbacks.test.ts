import { expect, test } from 'vitest';
import {
  ArgumentError,
  type BatchLogs,
  type Callback,
  EarlyStopping,
  type EarlyStoppingOptions,
  type EpochLogs,
  LambdaCallback,
  LearningRateScheduler,
  type Model,
  ProgressLine,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  SGD,
  TerminateOnNaN,
} from '../../src/node.ts';

const NAMES = ['loss', 'accuracy', 'valLoss', 'valAccuracy', 'valTopK5', 'learningRate'];
const epochLogs = (epoch: number, metrics: Record<string, number>): EpochLogs => ({
  loss: 1,
  learningRate: 0.1,
  seconds: 1,
  samplesPerSecond: 1,
  ...metrics,
  epoch,
});

/** Calls EarlyStopping with these metrics, as `fit` does. @returns the epoch after which training stopped, or 0, and the callback's state */
function runEarlyStopping(options: EarlyStoppingOptions, values: number[]) {
  const callback = new EarlyStopping(options);
  const model = { stopTraining: false } as Model;
  callback.onTrainBegin({ model, monitored: NAMES });
  const ran = values.findIndex((value, i) => {
    callback.onEpochEnd(epochLogs(i + 1, { [options.monitor ?? 'valLoss']: value }));
    return model.stopTraining;
  });
  callback.onTrainEnd({ diverged: [] });
  const { best, bestEpoch, stoppedEpoch } = callback;
  return { ran: ran + 1, best, bestEpoch, stoppedEpoch };
}

// Results of Keras 3's EarlyStopping for the same metrics (its epochs count from 0, ours from 1).
test.each<[string, EarlyStoppingOptions, number[], ReturnType<typeof runEarlyStopping>]>([
  [
    'patience 0: the first epoch without improvement',
    {},
    [3, 2, 2, 1],
    { ran: 3, best: 2, bestEpoch: 2, stoppedEpoch: 3 },
  ],
  ['patience 2', { patience: 2 }, [3, 2, 4, 1.5, 5, 6, 7], { ran: 6, best: 1.5, bestEpoch: 4, stoppedEpoch: 6 }],
  ['no stop', { patience: 3 }, [3, 4, 5], { ran: 0, best: 3, bestEpoch: 1, stoppedEpoch: 0 }],
  ['an equal value is no improvement', { patience: 1 }, [2, 2], { ran: 2, best: 2, bestEpoch: 1, stoppedEpoch: 2 }],
  [
    'a change of minDelta is no improvement',
    { minDelta: 0.5 },
    [2, 1.5],
    { ran: 2, best: 2, bestEpoch: 1, stoppedEpoch: 2 },
  ],
  [
    'a larger change is an improvement',
    { minDelta: -0.5 },
    [2, 1.25, 1],
    { ran: 3, best: 1.25, bestEpoch: 2, stoppedEpoch: 3 },
  ],
  [
    'accuracy rises',
    { monitor: 'valAccuracy', patience: 1 },
    [0.1, 0.2, 0.15],
    { ran: 3, best: 0.2, bestEpoch: 2, stoppedEpoch: 3 },
  ],
  ['topK rises', { monitor: 'valTopK5' }, [0.5, 0.6, 0.6], { ran: 3, best: 0.6, bestEpoch: 2, stoppedEpoch: 3 }],
  ['mode max', { monitor: 'loss', mode: 'max' }, [1, 2, 1.5], { ran: 3, best: 2, bestEpoch: 2, stoppedEpoch: 3 }],
  [
    'a baseline that is not passed: improvements do not restart the wait',
    { baseline: 1, patience: 3 },
    [4, 3, 2.5, 2.6],
    { ran: 4, best: 2.5, bestEpoch: 3, stoppedEpoch: 4 },
  ],
  [
    'a baseline that is passed does',
    { baseline: 3.5, patience: 2 },
    [4, 3, 3.1, 2.9, 3, 3],
    { ran: 6, best: 2.9, bestEpoch: 4, stoppedEpoch: 6 },
  ],
  [
    'startFromEpoch: better values before it do not count',
    { startFromEpoch: 2, patience: 1 },
    [0.1, 0.2, 3, 2, 2.5],
    { ran: 5, best: 2, bestEpoch: 4, stoppedEpoch: 5 },
  ],
  [
    'NaN is no improvement',
    { patience: 1 },
    [Number.NaN, Number.NaN],
    { ran: 2, best: null, bestEpoch: 0, stoppedEpoch: 2 },
  ],
  ['NaN, then a number', { patience: 2 }, [Number.NaN, 5, 6, 7], { ran: 4, best: 5, bestEpoch: 2, stoppedEpoch: 4 }],
])('EarlyStopping: %s', (_what, options, values, expected) => {
  expect(runEarlyStopping(options, values)).toEqual(expected);
});

test("monitor: accepts Keras's spelling of a metric", () => {
  const callback = new EarlyStopping({ monitor: 'val_top_k5' });
  const model = { stopTraining: false } as Model;
  callback.onTrainBegin({ model, monitored: NAMES });
  for (const [i, valTopK5] of [0.5, 0.6].entries()) callback.onEpochEnd(epochLogs(i + 1, { valTopK5 }));
  expect(callback.best).toBe(0.6); // more is better
});

test('EarlyStopping starts again with each fit', () => {
  const callback = new EarlyStopping({ monitor: 'loss' });
  const model = { stopTraining: false } as Model;
  for (let fit = 0; fit < 2; fit++) {
    callback.onTrainBegin({ model, monitored: NAMES });
    expect([callback.best, callback.bestEpoch, callback.stoppedEpoch]).toEqual([null, 0, 0]);
    for (const [i, loss] of [2, 1, 3].entries()) callback.onEpochEnd(epochLogs(i + 1, { loss }));
    expect([callback.best, callback.bestEpoch, callback.stoppedEpoch]).toEqual([1, 2, 3]);
  }
});

function rates(options: ReduceLROnPlateauOptions, values: number[], rate = 1): number[] {
  const callback = new ReduceLROnPlateau(options);
  const optimizer = new SGD({ learningRate: rate });
  callback.onTrainBegin({ optimizer, monitored: NAMES });
  return values.map((value, i) => {
    callback.onEpochEnd(epochLogs(i + 1, { [options.monitor ?? 'valLoss']: value }));
    return Number(optimizer.learningRate.toPrecision(6));
  });
}

// Results of Keras 3's ReduceLROnPlateau for the same metrics.
test.each<[string, ReduceLROnPlateauOptions, number[], number[]]>([
  ['factor 0.1 after patience epochs', { patience: 2 }, [2, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01]],
  ['an improvement restarts the wait', { patience: 2, factor: 0.5 }, [3, 3, 2, 2, 2], [1, 1, 1, 1, 0.5]],
  ['a change of up to minDelta does not count', { patience: 1, factor: 0.5 }, [2, 1.99995, 1.9], [1, 0.5, 0.5]],
  ['minDelta 0', { patience: 1, factor: 0.5, minDelta: 0 }, [2, 1.99995, 1.99995], [1, 1, 0.5]],
  [
    'cooldown: no epoch counts until it is over',
    { patience: 1, factor: 0.5, cooldown: 2 },
    [2, 2, 2, 2, 2, 2],
    // Keras takes one off at the beginning of an epoch, so that the second epoch of a cooldown counts again.
    [1, 0.5, 0.5, 0.25, 0.25, 0.125],
  ],
  ['no lower than minLearningRate', { patience: 1, minLearningRate: 0.05 }, [2, 2, 2, 2], [1, 0.1, 0.05, 0.05]],
  ['accuracy rises', { monitor: 'accuracy', patience: 1 }, [0.5, 0.6, 0.55], [1, 1, 0.1]],
  ['mode max', { monitor: 'loss', mode: 'max', patience: 1 }, [1, 2, 3, 2], [1, 1, 1, 0.1]],
  ['NaN counts as no improvement', { patience: 2 }, [Number.NaN, Number.NaN], [1, 0.1]],
  ['patience 0 is like 1', { patience: 0 }, [2, 2], [1, 0.1]],
])('ReduceLROnPlateau: %s', (_what, options, values, expected) => {
  expect(rates(options, values)).toEqual(expected);
});

test('ReduceLROnPlateau: the rate of each replica is reduced, also with a schedule', () => {
  const optimizer = new SGD({ learningRate: [0.1, 0.01, 0.3] });
  const reduce = new ReduceLROnPlateau({ patience: 1, factor: 0.5, minLearningRate: 0.02 });
  reduce.onTrainBegin({ optimizer, monitored: NAMES });
  for (const epoch of [1, 2]) reduce.onEpochEnd(epochLogs(epoch, { valLoss: 1 }));
  expect(optimizer.fixedRates).toEqual([0.05, 0.01, 0.15]);
  new LearningRateScheduler((epoch, rate) => rate * 10 ** epoch).onEpochBegin({ epoch: 2, optimizer });
  expect(optimizer.fixedRates).toEqual([0.5, 0.1, 1.5]);
});

test('TerminateOnNaN: stops at a loss that is NaN or infinite, also within an epoch', () => {
  const callback = new TerminateOnNaN();
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const model = { stopTraining: false } as Model;
    callback.onTrainBegin({ model });
    callback.onEpochEnd(epochLogs(1, { loss: 1e30 }));
    expect([model.stopTraining, callback.epoch]).toEqual([false, null]);
    callback.onBatchEnd({ epoch: 2, loss: bad } as BatchLogs);
    expect([model.stopTraining, callback.epoch]).toEqual([true, 2]);
  }
});

test('ProgressLine: prints the metrics of the epoch, small ones with exponents', () => {
  const lines: string[] = [];
  const updates: string[] = [];
  const callback = new ProgressLine(
    (line) => lines.push(line),
    (line) => updates.push(line),
  );
  callback.onTrainBegin({ epochs: 12 });
  const { valLoss, ...rest } = { loss: 0.51239, accuracy: 0, valLoss: 2e-5 };
  callback.onBatchEnd({
    epoch: 3,
    epochs: 12,
    samples: 64,
    samplesTotal: 100,
    samplesPerSecond: 9,
    secondsLeft: 1,
    ...rest,
  });
  callback.onEpochEnd(epochLogs(3, { ...rest, valLoss, seconds: 1.26 }));
  callback.onFeatures({ samples: 32, samplesTotal: 100, seconds: 1 });
  expect(updates.pop()).toBe('Features - 32/100');
  callback.onFeatures({ samples: 100, samplesTotal: 100, seconds: 3.16 });
  expect(lines.pop()).toBe('Features - 3.2s - 100 samples');
  expect(updates).toEqual(['Epoch 3/12 - 64/100 - loss: 0.5124 - accuracy: 0.0000']);
  expect(lines).toEqual(['Epoch 3/12 - 1.3s - loss: 0.5124 - accuracy: 0.0000 - valLoss: 2.0000e-5']);
});

const no = undefined as never;
test.each<[string, () => unknown, RegExp]>([
  ['mode', () => new EarlyStopping({ mode: 'up' as never }), /EarlyStopping: mode.*"up"/],
  ['monitor', () => new EarlyStopping({ monitor: '' }), /monitor must be the name/],
  ['patience', () => new EarlyStopping({ patience: -1 }), /patience.*-1/],
  ['minDelta', () => new EarlyStopping({ minDelta: Number.NaN }), /minDelta/],
  ['baseline', () => new EarlyStopping({ baseline: Number.NaN }), /baseline/],
  ['startFromEpoch', () => new EarlyStopping({ startFromEpoch: 0.5 }), /startFromEpoch.*0.5/],
  ['null', () => new EarlyStopping(null as never), /EarlyStopping: options/],
  ['factor 1', () => new ReduceLROnPlateau({ factor: 1 }), /factor.*between 0 and 1.*1/],
  ['cooldown', () => new ReduceLROnPlateau({ cooldown: -2 }), /cooldown/],
  ['minLearningRate', () => new ReduceLROnPlateau({ minLearningRate: -1 }), /minLearningRate/],
  [
    'a hook that there is not',
    () => new LambdaCallback({ onEpochEndd() {} } as Callback),
    /no option onEpochEndd; did you mean onEpochEnd\?/,
  ],
  ['a hook that is not a function', () => new LambdaCallback({ onEpochEnd: 3 as never }), /onEpochEnd is 3/],
  ['no hooks', () => new LambdaCallback(no), /LambdaCallback: options/],
])('throws for %s', (_what, make, says) => {
  expect(make).toThrow(ArgumentError);
  expect(make).toThrow(says);
});

test.each([EarlyStopping, ReduceLROnPlateau])('throws before training if the logs will not have the metric', (Kind) => {
  const callback = new Kind();
  const begin = () =>
    callback.onTrainBegin({ model: {} as Model, optimizer: new SGD(), monitored: ['loss', 'accuracy'] });
  expect(begin).toThrow(ArgumentError);
  expect(begin).toThrow(/no metric "valLoss"; there are loss, accuracy; .*need validationData/);
});
