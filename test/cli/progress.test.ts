import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { epochLine, Progress } from '../../src/cli/progress.ts';
import { clock, duration } from '../../src/report/format.ts';

const logs = {
  epoch: 3,
  loss: 1.23456,
  accuracy: 0.5678,
  valLoss: 1.3,
  valAccuracy: 0.5,
  learningRate: 0.001,
  seconds: 12.34,
  samplesPerSecond: 3456.2,
};
const batch = {
  epoch: 3,
  epochs: 10,
  samples: 500,
  samplesTotal: 2000,
  loss: 1.5,
  accuracy: 0.25,
  samplesPerSecond: 3456,
  secondsLeft: 83,
};
const lineOfLogs =
  'Epoch  3/10  loss 1.2346  accuracy 0.5678  val_loss 1.3000  val_accuracy 0.5000  12.3 s  3,456 samples/s';

/** A stream that records its text; with `isTTY` cli-progress treats it as a terminal. */
function stream(isTTY: boolean): { stream: PassThrough & { isTTY: boolean; columns: number }; text(): string } {
  const output = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  let text = '';
  output.on('data', (chunk) => {
    text += chunk;
  });
  return { stream: output, text: () => text };
}

test('the line of an epoch is that of Keras, without validation metrics if there are none', () => {
  expect(epochLine(logs, 10)).toBe(lineOfLogs);
  expect(epochLine({ ...logs, valLoss: undefined, valAccuracy: undefined, loss: Number.NaN }, 3)).toBe(
    'Epoch 3/3  loss NaN  accuracy 0.5678  12.3 s  3,456 samples/s',
  );
});

test('without a terminal, prints lines for epochs and no bar', () => {
  const lines = stream(false);
  const terminal = stream(false);
  const progress = new Progress(lines.stream, terminal.stream);
  progress.onTrainBegin({ epochs: 10 });
  progress.onBatchEnd(batch);
  progress.onEpochEnd(logs);
  expect(terminal.text()).toBe('');
  expect(lines.text()).toBe(`${lineOfLogs}\n`);
});

test('on a terminal, a bar shows loss, accuracy, speed and remaining time until the epoch ends', () => {
  const lines = stream(false);
  const terminal = stream(true);
  const progress = new Progress(lines.stream, terminal.stream);
  progress.onTrainBegin({ epochs: 10 });
  progress.onBatchEnd(batch);
  for (const text of ['Epoch  3/10', '25%', 'loss 1.5000', 'accuracy 0.2500', '3,456 samples/s', '1:23 left']) {
    expect(terminal.text()).toContain(text);
  }
  progress.onEpochEnd(logs);
  const afterEpoch = terminal.text().length;
  progress.stop();
  expect(terminal.text().length).toBe(afterEpoch);
  expect(lines.text()).toBe(`${lineOfLogs}\n`);
});

test('features computed in advance have a bar and a line, before the first epoch', () => {
  const lines = stream(false);
  const terminal = stream(true);
  const progress = new Progress(lines.stream, terminal.stream);
  progress.onTrainBegin({ epochs: 10 });
  progress.onFeatures({ samples: 3200, samplesTotal: 12_800, seconds: 4 });
  expect(terminal.text()).toContain('25%  3200 of 12800 samples');
  progress.onFeatures({ samples: 12_800, samplesTotal: 12_800, seconds: 12.34 });
  expect(lines.text()).toBe('Features of 12,800 samples  12.3 s\n');
  progress.onBatchEnd(batch);
  expect(terminal.text()).toContain('Epoch  3/10');
  progress.stop();
});

test('formats durations', () => {
  expect([0.0042, 0.9994, 12.34, 59.94, 59.96, 185, 3599.6, 3720].map(duration)).toEqual([
    '4.2 ms',
    '999.4 ms',
    '12.3 s',
    '59.9 s',
    '1 min 00 s',
    '3 min 05 s',
    '1 h 00 min',
    '1 h 02 min',
  ]);
  expect([0, 7.4, 754, 3723, -1, Number.POSITIVE_INFINITY].map(clock)).toEqual([
    '0:00',
    '0:07',
    '12:34',
    '1:02:03',
    '0:00',
    '-:--',
  ]);
});
