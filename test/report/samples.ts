import type { ReportContent } from '../../src/report/content.ts';
import { imageFromFloats, imageFromWeights } from '../../src/report/figures/images.ts';
import type { Figure } from '../../src/report/figures/schema.ts';
import type { ExperimentRecord, RunRecord } from '../../src/report/run-record.ts';
import type { Training } from '../../src/report/training.ts';

/** A name with markup, which must be escaped. */
export const nasty = '<img src=x onerror=alert(1)> & "co" $& $\'s';

const line = (run: string, series: string, y: (number | null)[]) => ({ run, series, x: y.map((_, i) => i + 1), y });

/** A figure of each type, with markup in each text. */
export const figures = {
  curves: {
    type: 'curves',
    name: 'accuracy',
    title: `accuracy of ${nasty}`,
    subtitle: ['batch 256'],
    x: { label: 'epoch' },
    y: { label: 'accuracy' },
    lines: [line('seed 1', 'training', [0.2, 0.4, 0.5]), line('seed 1', nasty, [0.25, 0.35, 0.45])],
    published: [{ series: 'training', value: 0.6191 }],
  },
  confusion: {
    type: 'confusion',
    name: 'confusion',
    title: 'confusion on the test set',
    classes: ['cat', nasty, 'ship'],
    counts: [
      [8, 2, 0],
      [1, 9, 0],
      [0, 0, 0],
    ],
  },
  bars: {
    type: 'bars',
    name: 'gini',
    title: 'Gini index by model and layer',
    x: { label: 'model' },
    y: { label: 'Gini index' },
    bars: ['baseline', nasty].flatMap((category, i) =>
      ['dense', 'dense_1'].map((group, j) => ({ category, group, value: 0.3 + 0.1 * i + 0.05 * j })),
    ),
  },
  histogram: {
    type: 'histogram',
    name: 'weights',
    title: `weights of ${nasty}`,
    x: { label: 'weight' },
    y: { label: 'count' },
    bins: [
      { from: -1, to: 0, count: 3 },
      { from: 0, to: 1, count: 5 },
    ],
  },
  images: {
    type: 'images',
    name: 'filters',
    title: 'first-layer weights',
    limit: 0.5,
    images: [
      imageFromWeights([-0.5, 0, 0.25, 0.5], { width: 2, height: 2, caption: nasty }, 0.5),
      imageFromFloats([0, 0.5, 1, 1], { width: 2, height: 2, channels: 1, caption: 'gray' }),
    ],
  },
  model: {
    type: 'model',
    name: 'model',
    title: 'LeNet-5',
    inputShape: [32, 32, 3],
    layers: [
      { name: nasty, kind: 'Conv2D', inbound: [], outputShape: [28, 28, 6], parameters: 456 },
      { name: 'add', kind: 'Add', inbound: [nasty, nasty], outputShape: [28, 28, 6], parameters: 0 },
    ],
  },
  lyingBars: {
    type: 'bars',
    name: 'importance',
    title: `importance of ${nasty}`,
    x: { label: 'hyperparameter' },
    y: { label: 'importance', format: '.2f' },
    horizontal: true,
    bars: ['rate', nasty].map((category, i) => ({ category, group: 'importance', value: 0.5 - 0.2 * i })),
  },
  parallel: {
    type: 'parallel',
    name: 'parallel',
    title: `trials of ${nasty}`,
    objective: { label: 'accuracy', direction: 'max' },
    axes: [
      { kind: 'number', label: 'rate', log: true, min: 1e-4, max: 0.1 },
      { kind: 'names', label: nasty, names: ['a', nasty] },
      { kind: 'number', label: 'layers', min: 1, max: 3, ticks: [1, 2, 3] },
    ],
    lines: [
      { trial: 0, score: 0.9, values: [0.01, nasty, 1] },
      { trial: 1, score: 0.8, values: [0.001, null, 3] },
      { trial: 2, score: null, values: [0.1, 'a', null] },
    ],
  },
  panels: {
    type: 'panels',
    name: 'panels',
    title: `accuracy against ${nasty}`,
    objective: { label: 'accuracy', direction: 'max' },
    panels: [
      {
        axis: { kind: 'number', label: 'rate', log: true, min: 1e-4, max: 0.1 },
        note: nasty,
        points: [
          { trial: 0, score: 0.9, value: 0.01 },
          { trial: 1, score: 0.8, value: 0.1 },
          { trial: 2, score: null, value: 0.1 },
        ],
      },
      { axis: { kind: 'names', label: nasty, names: ['a', nasty] }, points: [{ trial: 0, score: 0.9, value: nasty }] },
      ...['layers', 'units'].map((label) => ({
        axis: { kind: 'number' as const, label, min: 1, max: 3 },
        points: [{ trial: 0, score: 0.9, value: 2 }],
      })),
    ],
  },
  trials: {
    type: 'trials',
    name: 'learning-curves',
    title: `learning curves of ${nasty}`,
    objective: { label: 'loss', direction: 'min' },
    x: { label: 'epoch' },
    y: { label: 'loss' },
    lines: [
      { trial: 0, score: 0.9, x: [1, 2], y: [1.2, 0.9] },
      { trial: 1, score: 1.1, x: [1], y: [1.1] },
      { trial: 2, score: null, x: [1, 2], y: [3, null] },
    ],
  },
  brackets: {
    type: 'brackets',
    name: 'brackets',
    title: `brackets of ${nasty}`,
    objective: { label: 'accuracy', direction: 'max' },
    brackets: [
      {
        label: `bracket 1 of ${nasty}`,
        configurations: [
          [
            { trial: 0, score: 0.8, from: 0, to: 3 },
            { trial: 3, score: 0.9, from: 3, to: 9 },
          ],
          [{ trial: 1, score: null, from: 0, to: 3 }],
        ],
      },
      { label: 'bracket 0', configurations: [[{ trial: 2, score: 0.7, from: 0, to: 9 }]] },
    ],
  },
} satisfies Record<string, Figure>;

/** A report with a block and a figure of each kind. */
export function content(): ReportContent {
  return {
    kind: 'tilegrad-report',
    schemaVersion: 1,
    id: 'T1',
    title: `A test of ${nasty}`,
    status: 'finished',
    question: [`What about ${nasty}?`],
    reduced: [`one image of ${nasty}`],
    sections: [
      {
        title: 'Results',
        blocks: [
          {
            type: 'comparison',
            caption: 'All runs',
            rows: [
              { label: `test accuracy of ${nasty}`, published: 0.6, ours: 0.5, sd: 0.01, runs: 3, why: `${nasty}` },
              { label: 'training accuracy', published: 0.6, ours: 0.62 },
              { label: 'error', published: '0.01 to 0.04', ours: 0.02, unit: 'number' },
            ],
          },
          {
            type: 'table',
            caption: nasty,
            head: ['run', nasty],
            rows: [
              [nasty, 1.5],
              ['b', null],
            ],
          },
          { type: 'text', text: `one ${nasty}\n\ntwo` },
          { type: 'preformatted', text: `a   b ${nasty}` },
          { type: 'heading', text: `below ${nasty}` },
        ],
      },
      {
        title: `Figures ${nasty}`,
        blocks: Object.values(figures).map((figure) => ({ type: 'figure', figure, caption: `about ${nasty}` })),
      },
    ],
    provenance: [
      {
        seeds: [1, 2, 3],
        adapter: { name: `llvmpipe ${nasty}`, vendor: 'mesa', driver: 'Mesa 25', isSoftware: true },
        versions: { tilegrad: '0.1.0', node: '20.19.0' },
        startedAt: '2026-11-20T12:00:00.000Z',
        seconds: 62,
        command: `npx tilegrad run T1 --data '${nasty}'`,
        settings: { Data: `in ${nasty}` },
      },
    ],
  };
}

/** An experiment in `run.json`. */
export const rowRecord = (changes: Partial<ExperimentRecord> = {}): ExperimentRecord => ({
  id: 'A1',
  title: 'LeNet-5',
  question: ['How well does it do?'],
  status: 'finished',
  reduced: [],
  settings: { epochs: 2, batchSize: 256, replicas: 1 },
  seeds: [1],
  datasets: ['cifar10'],
  seconds: 60,
  sections: [],
  ...changes,
});

/** A `run.json`. */
export const runRecordOf = (rows: ExperimentRecord[], changes: Partial<RunRecord> = {}): RunRecord => ({
  kind: 'tilegrad-run',
  schemaVersion: 2,
  id: rows.length === 1 ? rows[0]!.id : 'A',
  title: rows.length === 1 ? rows[0]!.title : 'Coursework A',
  question: ['What about it?'],
  status: 'finished',
  request: { id: 'A1', scale: 'full', seed: 1 },
  command: 'npx tilegrad run A1',
  data: {
    cifar10: {
      ...{ kind: 'archive', path: '/data', description: 'all', trainImages: 50_000, testImages: 10_000 },
      fingerprint: 'f00d',
    },
  },
  adapter: { name: 'llvmpipe', vendor: '', architecture: '', driver: '', isSoftware: true, features: [], limits: {} },
  tuning: { measured: 0, file: null, choicesHash: 'c0ffee' },
  versions: { tilegrad: '0.1.0', node: '20.19.0', webgpu: '0.6.2', platform: 'linux' },
  rows,
  trainings: [],
  timings: { startedAt: '2026-11-20T12:00:00.000Z', finishedAt: null, totalSeconds: 1 },
  counters: {},
  ...changes,
});

/** A training with one replica for each seed, all with the same epochs. */
export const trainingOf = (changes: Partial<Training> = {}): Training => ({
  ...{ name: 'baseline', seeds: [1], epochs: 2, batchSize: 256, optimizer: 'adam', loss: 'crossentropy' },
  histories: [
    [
      { epoch: 1, loss: 2, accuracy: 0.1, valLoss: 2.1, valAccuracy: 0.15 },
      { epoch: 2, loss: 1, accuracy: 0.6, valLoss: 1.1, valAccuracy: 0.5 },
    ],
  ],
  evaluations: [{ loss: 1.1, accuracy: 0.5 }],
  measured: [],
  model: { title: 'LeNet-5', inputShape: [32, 32, 3], layers: figures.model.layers, summary: 'Model', parameters: 456 },
  timings: { buildSeconds: 0, fitSeconds: 2, evaluateSeconds: 1 },
  ...changes,
});
