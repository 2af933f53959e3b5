import { join } from 'node:path';
import { Dense, Sequential } from '../../src/node.ts';
import type { Figure } from '../../src/report/index.ts';
import * as report from '../../src/report.ts';
import type { Call, World } from './exported-calls.ts';

// How to call what `tilegrad/report` exports: see exported-calls.ts.

const PLOT = ['title', 'subtitle', 'caption'];
const GRID = [...PLOT, 'count', 'columns', 'captions'];
const history = () => ({ epochs: [{ epoch: 1, loss: 0.5, valLoss: 0.6 }] });
const training = () => ({ histories: [[{ epoch: 1, accuracy: 0.5 }]], evaluations: [{ accuracy: 0.5 }] });
const figure = (): Figure => ({
  ...{ type: 'bars', name: 'a', title: 'a', x: { label: 'x' }, y: { label: 'y' } },
  bars: [{ category: 'a', group: '', value: 1 }],
});
const sections = () => [report.section('a', 'b')];
const plot = () => new report.Plot('a', [figure()]);
const document = () => report.createReport({ title: 'a', sections: sections() });
const on =
  (name: 'save' | 'svg' | 'png' | 'html') =>
  (it: object, ...args: never[]) =>
    (it as Record<string, (...args: never[]) => unknown>)[name]!(...args);
const method = (
  name: 'save' | 'svg' | 'png' | 'html',
  it: () => object,
  args: (world: World) => unknown[] = () => [],
) => ({
  ...{ args: (world: World) => [it(), ...args(world)], fixed: 1, share: 0.3 },
  run: on(name) as unknown as NonNullable<Call['run']>,
});

export const reportCalls: Record<string, Call> = {
  'report.plotHistory': { args: () => [history(), {}], options: [...PLOT, 'measures', 'show'] },
  'report.plotCurves': { args: () => [{ a: [1, 2] }, {}], options: [...PLOT, 'x', 'xLabel', 'yLabel', 'xLog', 'yLog'] },
  'report.plotConfusionMatrix': { args: () => [[[1, 2], [3, 4]], {}], options: [...PLOT, 'classes'] }, // biome-ignore format: as a matrix
  'report.plotBars': { args: () => [{ a: 1 }, {}], options: [...PLOT, 'xLabel', 'yLabel', 'horizontal'] },
  'report.plotHistogram': { args: () => [[1, 2, 3], {}], options: [...PLOT, 'bins', 'xLabel'] },
  'report.plotModel': { args: () => [new Sequential([new Dense({ units: 1, inputShape: [2] })]), {}], options: PLOT },
  'report.plotImages': { args: () => [{ shape: [1, 2, 2, 1], data: [0, 1, 0, 1] }, {}], options: [...GRID, 'range'] },
  'report.plotFilters': {
    args: () => [{ shape: [4, 2], data: [0, 1, 0, 1, 2, 3, 4, 5] }, { inputShape: [2, 2, 1] }],
    options: [...GRID, 'inputShape', 'ownScale'],
  },
  'report.Plot': { args: () => ['plot', [figure()], 'words'] },
  'report.Plot.save': method('save', plot, ({ folder }) => [join(folder, 'plot.svg')]),
  'report.Plot.svg': method('svg', plot),
  'report.Plot.png': method('png', plot),
  'report.Plot.html': method('html', plot),
  'report.createReport': {
    args: () => [{ title: 'a', sections: sections() }],
    options: ['title', 'introduction', 'sections'],
  },
  'report.report.save': method('save', document, ({ folder }) => [join(folder, 'report.html')]),
  'report.report.html': method('html', document),
  'report.section': { args: () => ['a', 'words', plot(), report.heading('b')] },
  'report.heading': { args: () => ['a'] },
  'report.preformatted': { args: () => ['a'] },
  'report.table': { args: () => [['a', 'b'], [['x', 1]], 'words'] },
  'report.compare': { args: () => [[report.measuredRow('a', 1, [1])], 'words'] },
  'report.measuredRow': { args: () => ['a', 0.5, [0.4, 0.5], {}], options: ['unit', 'why'] },
  'report.lastFigures': { args: () => [training(), 'accuracy'] },
  'report.testFigures': { args: () => [training(), 'accuracy'] },
  'report.defineExperiment': {
    args: () => [{ id: 'a', title: 'A', run: async () => sections() }],
    options: ['id', 'title', 'question', 'published', 'datasets', 'scales', 'variations', 'networks', 'run'],
  },
};
