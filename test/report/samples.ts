import type { ReportContent } from '../../src/report/content.ts';
import { imageFromFloats, imageFromWeights } from '../../src/report/figures/images.ts';
import type { Figure } from '../../src/report/figures/schema.ts';

/** A name that is markup, for whoever forgets to escape it. */
export const nasty = '<img src=x onerror=alert(1)> & "co"';

const line = (run: string, series: string, y: (number | null)[]) => ({ run, series, x: y.map((_, i) => i + 1), y });

/** A figure of each type, with a nasty name in each place that takes words. */
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
