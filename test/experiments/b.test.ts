import { expect, test } from 'vitest';
import { B5 } from '../../experiments/B5.ts';
import { B8 } from '../../experiments/B8.ts';
import { variationsSummary } from '../../experiments/b-summary.ts';
import {
  comparisonOf,
  epochSeconds,
  labelOf,
  stepSeconds,
  variationOf,
  variations,
} from '../../experiments/b-variations.ts';
import { mergeTrainings } from '../../experiments/seeds.ts';
import { networks } from '../../experiments/vgg.ts';
import type { ExperimentContext, TrainSpec } from '../../src/cli/experiment.ts';
import { trainingOf } from '../report/samples.ts';

/** A training with epochs of 100 samples, each of which took the given seconds. */
const makeTraining = (name: string, accuracies: number[], options: { seconds?: number[]; seed?: number } = {}) => {
  const { seconds = accuracies.map(() => 1), seed = 1 } = options;
  return trainingOf({
    name,
    seeds: [seed],
    batchSize: 32,
    histories: [
      accuracies.map((accuracy, i) => ({
        ...{ epoch: i + 1, loss: 1, accuracy, valAccuracy: accuracy - 0.1 },
        ...{ seconds: seconds[i]!, samplesPerSecond: 100 / seconds[i]! },
      })),
    ],
    evaluations: [{ loss: 1, accuracy: accuracies.at(-1)! - 0.2 }],
    measured: [null],
  });
};

test('variations: have the numbers of parameters that the coursework shows, or that follow from its code', () => {
  const parameters = Object.fromEntries(
    Object.entries(networks).map(([name, network]) => [name, network.createModel().countParams()]),
  );
  expect(parameters).toMatchObject({ base: 435_434, 'dropout-0.2': 435_434, 'l1l2-small': 435_434 });
  // Each convolution has k * k * in * out + out, each dense layer in * out + out.
  const conv = (k: number, sizes: number[]) => sizes.slice(1).reduce((sum, n, i) => sum + k * k * sizes[i]! * n + n, 0);
  const dense = (sizes: number[]) => conv(1, sizes);
  expect(parameters['two-blocks']).toBe(conv(3, [3, 32, 32, 16, 16]) + dense([8 * 8 * 16, 64, 10]));
  expect(parameters['four-blocks']).toBe(
    conv(3, [3, 32, 32, 64, 64, 128, 128, 256, 256]) + dense([2 * 2 * 256, 512, 128, 32, 10]),
  );
  expect(parameters['kernels-5x5']).toBe(conv(5, [3, 32, 32, 64, 64, 128, 128]) + dense([512, 256, 64, 10]));
  expect(parameters.doubled).toBe(conv(3, [3, 64, 64, 128, 128, 256, 256]) + dense([1024, 256, 64, 10]));
  expect(parameters.quartered).toBe(conv(3, [3, 8, 8, 16, 16, 32, 32]) + dense([128, 256, 64, 10]));
  expect(parameters['padding-valid']).toBe(conv(3, [3, 32, 32, 64, 64, 128, 128]) + dense([128, 256, 64, 10]));
});

test('variationOf: reads variation and scale from the name of a training', () => {
  expect(variationOf({ name: 'dropout-0.2-seed-1' })).toEqual({ name: 'dropout-0.2', isShort: false });
  expect(variationOf({ name: 'doubled-short-seed-12' })).toEqual({ name: 'doubled', isShort: true });
  expect(variationOf({ name: 'unknown-seed-1' })).toBeNull();
  expect(labelOf({ name: 'doubled-short' })).toBe('kernels doubled (short)');
  for (const name of Object.keys(networks)) expect(variations).toHaveProperty([name]);
});

test('the time of an epoch is the median; that of a step is that of its samples in batches', () => {
  const training = makeTraining('base', [0.5, 0.6, 0.7], { seconds: [9, 2, 1] });
  expect(epochSeconds(training)).toBe(2);
  expect(stepSeconds(training)).toBe(0.5); // 100 samples are four batches of 32
  expect(stepSeconds({ ...training, histories: [[]] })).toBeNaN();
});

test('trainings with several seeds are joined, each with its number of epochs', () => {
  const both = mergeTrainings('base', [
    { ...makeTraining('base-seed-1', [0.5, 0.6]), diverged: [1] },
    makeTraining('base-seed-2', [0.7], { seed: 2 }),
  ]);
  expect(both).toMatchObject({ name: 'base', seeds: [1, 2], diverged: [1] });
  expect(both.histories.map((epochs) => epochs.length)).toEqual([2, 1]);
  expect(both.evaluations.map(({ accuracy }) => accuracy)).toEqual([expect.closeTo(0.4), expect.closeTo(0.5)]);
});

test('compares only published metrics; the only reason given for a shortened variation is that it was shortened', () => {
  const labels = (name: string) =>
    comparisonOf(makeTraining(name, [0.5]), 'because').map(({ label, published, why }) => [label, published, why]);
  expect(labels('base-seed-1')).toEqual([
    ['test accuracy, base', 0.74, 'because'],
    ['epochs, base', 15, undefined],
  ]);
  expect(labels('quartered').slice(3)).toEqual([
    ['epochs, kernels quartered', 22, undefined],
    ['an epoch, kernels quartered', 6, undefined],
    ['a step, kernels quartered', 0.005, undefined],
  ]);
  expect(labels('doubled-short')).toEqual([['test accuracy, kernels doubled (short)', 'about as base', undefined]]);
});

test('the table has a row for each variation, with means over its seeds, and the plot a curve', () => {
  const [table, note, plot] = variationsSummary([
    makeTraining('base-seed-1', [0.5, 0.9]),
    makeTraining('two-blocks-seed-1', [0.6]),
    makeTraining('two-blocks-seed-2', [0.8, 0.9], { seed: 2 }),
    makeTraining('doubled-short-seed-1', [0.3]),
    makeTraining('another', [0.3]),
  ]);
  expect(table).toMatchObject({
    rows: [
      ['base', '456', '2', '0.9000', '0.8000', '0.7000', '1.0 s', '250.0 ms', '0.7400, 15 epochs', '-4.00 !'],
      ['two blocks', '456', '1, 2', '0.7500', '0.6500', '0.5500', '1.0 s', '250.0 ms', '0.6900, 16 epochs', '-14.00 !'],
      ['kernels doubled (short)', '456', '1', '0.3000', '0.2000', '0.1000', '1.0 s', '250.0 ms', 'about as base', ''],
    ],
  });
  expect(note).toEqual({ type: 'text', text: '! not within 2 points of the published figure' });
  const within = variationsSummary([makeTraining('base-seed-1', [0.94])]);
  expect(within.map(({ type }) => type)).toEqual(['table', 'figure']);
  const { figure } = plot as { figure: { lines: { run: string; y: number[] }[] } };
  expect(figure.lines.map(({ run, y }) => [run, y])).toEqual([
    ['base', [0.4, 0.8]],
    ['two blocks', [expect.closeTo(0.6), 0.8]],
    ['kernels doubled (short)', [expect.closeTo(0.2)]],
  ]);
  expect(variationsSummary([makeTraining('another', [0.3])])).toEqual([]);
});

test.each([
  { row: B5, runs: 3, counts: { doubled: 1, halved: 1, quartered: 3 } },
  { row: B8, runs: 3, counts: { 'l1l2-small': 1, 'l1l2-large': 3 } },
  { row: B5, runs: 2, counts: { doubled: 2, halved: 2, quartered: 2 } },
])(
  '$row.id with $runs replicas trains a slow variation once, unless --replicas was given',
  async ({ row, runs, counts }) => {
    expect(row.scales.full.replicas).toBe(3);
    const names: string[] = [];
    const context = {
      ...{ scale: 'full', seed: 5, settings: { ...row.scales.full, replicas: runs } },
      variation: () => context,
      loaders: () => ({}),
      images: () => ({ test: { classes: ['cat'] } }),
      async train(name: string, { seed, replicas }: TrainSpec) {
        expect(replicas).toBe(1);
        names.push(name);
        return { ...makeTraining(name, [0.5], { seed: seed! }), measured: [[[1]]] };
      },
    } as unknown as ExperimentContext;
    await row.run(context);
    const seeds = (count: number) => Array.from({ length: count }, (_, i) => 5 + i);
    expect(names).toEqual(
      Object.entries(counts).flatMap(([name, count]) => seeds(count).map((seed) => `${name}-seed-${seed}`)),
    );
  },
);
