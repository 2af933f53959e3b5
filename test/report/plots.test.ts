import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ArgumentError, FileError, ShapeError } from '../../src/base/errors.ts';
import { ConfusionMatrix, Dense, Sequential } from '../../src/index.ts';
import { escapeText } from '../../src/report/escape.ts';
import {
  compare,
  createReport,
  heading,
  measuredRow,
  Plot,
  plotBars,
  plotConfusionMatrix,
  plotCurves,
  plotFilters,
  plotHistogram,
  plotHistory,
  plotImages,
  plotModel,
  preformatted,
  section,
  table,
} from '../../src/report/index.ts';
import { nasty, trainingOf } from './samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-plots-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const epoch = (n: number, loss: number) => ({
  ...{ epoch: n, loss, accuracy: 1 - loss, valLoss: loss + 0.1, valAccuracy: 0.9 - loss },
  ...{ learningRate: 0.1, seconds: 2, samplesPerSecond: 9 },
});
const history = { epochs: [epoch(1, 0.5), epoch(2, 0.4), epoch(3, 0.2)] };
/** The texts in an SVG, each once. */
const texts = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]+)<\/text>/g)].map(([, text]) => text!);
const bars = (svg: string) =>
  [...svg.matchAll(/class="mark-rect role-mark[\s\S]*?<\/g>/g)].join('').match(/<path /g)!.length;

describe('plotHistory', () => {
  test('draws loss and each metric below each other, with validation, and nothing that is not a metric', async () => {
    const svg = await plotHistory(history).svg();
    expect(svg.match(/<svg /g)).toHaveLength(3); // one, and the two in it
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['Training: loss', 'Training: accuracy', 'epoch', 'training', 'validation']),
    );
    expect(svg).not.toMatch(/learning|seconds|samples/i);
    const lines = [...svg.matchAll(/<path d="[^"]*" stroke="(#\w+)" stroke-width="2\.4"/g)];
    expect(lines).toHaveLength(4);
    const [, height] = /<svg [^>]*height="([\d.]+)" viewBox/.exec(svg)!;
    const inner = [...svg.matchAll(/<svg y="([\d.]+)"[^>]* height="([\d.]+)"/g)].map(([, y, h]) => [
      Number(y),
      Number(h),
    ]);
    expect(inner[0]![0]).toBe(0);
    expect(inner[1]![0]).toBe(inner[0]![1]);
    expect(Number(height)).toBe(inner[1]![0]! + inner[1]![1]!);
  });

  test('draws the requested metrics, in their order, with a title', async () => {
    const { figures } = plotHistory(history, { measures: ['accuracy'], title: nasty });
    expect(figures).toHaveLength(1);
    expect(figures[0]).toMatchObject({ name: 'history-accuracy', title: nasty });
    expect(await plotHistory(history, { measures: ['accuracy', 'loss'] }).svg()).toMatch(
      /accuracy[\s\S]*Training: loss/,
    );
  });

  test('draws each replica and the mean; for an experiment by seeds', async () => {
    const replicas = [history.epochs, history.epochs.map((logs) => ({ ...logs, loss: logs.loss + 0.1 }))];
    const mean = await plotHistory({ ...history, replicas }, { measures: ['loss'] }).svg();
    expect(mean).toContain('thin: 2 runs; bold: their mean');
    const each = await plotHistory({ ...history, replicas }, { measures: ['loss'], show: 'each' }).svg();
    expect(texts(each)).toEqual(expect.arrayContaining(['replica 0', 'replica 1']));
    const training = { ...trainingOf(), seeds: [4, 5], histories: replicas };
    expect(texts(await plotHistory(training, { show: 'each' }).svg())).toEqual(
      expect.arrayContaining(['seed 4', 'seed 5']),
    );
  });

  test('draws one epoch, a training without validation, and a loss that is NaN', async () => {
    const one = plotHistory({ epochs: [{ epoch: 1, loss: 0.5 }] });
    expect(one.figures).toMatchObject([{ lines: [{ series: 'training', x: [1], y: [0.5] }] }]);
    expect((await one.svg()).match(/class="mark-symbol role-mark[\s\S]*?<\/g>/)![0]).toContain('<path ');
    const broken = await plotHistory({ epochs: [epoch(1, 0.5), epoch(2, Number.NaN)] }).svg();
    expect(broken).not.toContain('NaN');
  });

  test('draws metrics that only some epochs have: a loss that was NaN, read from JSON, and a metric added later', () => {
    const epochs = [
      { epoch: 1, loss: null },
      { epoch: 2, loss: 3, added: 0.5 },
    ];
    expect(plotHistory({ epochs }).figures).toMatchObject([
      { y: { label: 'loss' }, lines: [{ x: [1, 2], y: [null, 3] }] },
      { y: { label: 'added' }, lines: [{ x: [1, 2], y: [null, 0.5] }] },
    ]);
  });

  test('accepts the list of epochs of a history', () => {
    expect(plotHistory(history.epochs).figures).toEqual(plotHistory(history).figures);
  });

  test.each([
    [{ epochs: [] }, {}, /plotHistory: the history is empty: no epoch was finished; train at least one/],
    [{ epochs: history.epochs, replicas: [[]] }, {}, /the history is empty/],
    [
      Promise.resolve(history),
      {},
      /takes what model\.fit returned, .* a Promise, to be awaited; await the call of fit/,
    ],
    [{ epochs: [5] }, {}, /takes what model\.fit returned/],
    [[], {}, /plotHistory: the history is empty/],
    [[5], {}, /plotHistory: takes what model\.fit returned, .* but was given \[5\]/],
    [5, {}, /plotHistory: takes what model\.fit returned, .* but was given 5;/],
    [undefined, {}, /plotHistory: takes what model\.fit returned, .* but was given undefined;/],
    [{ epochs: [{ epoch: 1, loss: null }] }, {}, /no epoch of the history has a loss or a metric that is a number/],
    [history, { measures: ['auc'] }, /the history has no "auc"; it has loss, accuracy/],
    [history, { measures: [] }, /measures must be a list such as \['loss'\]/],
    [history, { show: 'all' }, /show must be 'mean' or 'each', but is "all"/],
    [history, { titel: 'x' }, /there is no option titel; did you mean title\?/],
    [history, { title: '' }, /title must be text that is not empty/],
  ])('throws for %j with %j', (given, options, says) => {
    expect(() => plotHistory(given as typeof history, options as object)).toThrow(ArgumentError);
    expect(() => plotHistory(given as typeof history, options as object)).toThrow(says);
  });
});

describe('plotConfusionMatrix', () => {
  const counts = [
    [8, 2, 0],
    [1, 9, 0],
    [0, 3, 7],
  ];

  test('says if it has more than 100 classes', () => {
    const large = Array.from({ length: 101 }, (_, i) => Array.from({ length: 101 }, (_, j) => Number(i === j)));
    expect(() => plotConfusionMatrix(large)).toThrow(/^plotConfusionMatrix: draws 100 classes at most, .* has 101;/);
  });

  test('shows each count and its share of the row, with true classes by row', async () => {
    for (const matrix of [counts, new ConfusionMatrix(counts)]) {
      const svg = await plotConfusionMatrix(matrix, { classes: ['cat', 'dog', nasty] }).svg();
      const written = texts(svg);
      for (const text of ['8', '2', '1', '9', '3', '7', '80%', '20%', '10%', '90%', '30%', '70%'])
        expect(written).toContain(text);
      expect(written.filter((text) => ['true class', 'predicted class'].includes(text))).toHaveLength(2);
      expect(written.filter((text) => text === 'cat')).toHaveLength(2);
      expect(svg).not.toContain('<img');
    }
    expect(texts(await plotConfusionMatrix(counts).svg())).toEqual(expect.arrayContaining(['0', '1', '2']));
  });

  test.each([
    [[[1, 2]], {}, ArgumentError, /takes a square of counts of two classes or more/],
    [[[1, 2], [3]], {}, ArgumentError, /takes a square of counts/], // biome-ignore format: as a matrix
    [[[1, -2], [3, 4]], {}, ArgumentError, /takes a square of counts/], // biome-ignore format: as a matrix
    [[[1, 0.5], [3, 4]], {}, ArgumentError, /takes a square of counts/], // biome-ignore format: as a matrix
    [[[4]], {}, ArgumentError, /two classes or more/],
    [5, {}, ArgumentError, /as `await confusionMatrix\(model, data\)` returns it/],
    [Promise.resolve(counts), {}, ArgumentError, /a Promise, to be awaited/],
    [counts, { classes: ['a', 'b'] }, ShapeError, /the matrix has 3 classes, but 2 names were given/],
    [counts, { classes: [1, 2, 3] }, ArgumentError, /classes must be a list of names/],
  ])('throws for %j with %j', (matrix, options, type, says) => {
    expect(() => plotConfusionMatrix(matrix as number[][], options as object)).toThrow(type);
    expect(() => plotConfusionMatrix(matrix as number[][], options as object)).toThrow(says);
  });
});

describe('plotBars, plotHistogram and plotCurves', () => {
  test('plotBars: a bar for each number, a color for each group, also horizontal', async () => {
    const svg = await plotBars({ relu: 0.97, tanh: 0.96, [nasty]: 0.5 }, { yLabel: 'accuracy' }).svg();
    expect(bars(svg)).toBe(3);
    expect(texts(svg)).toEqual(expect.arrayContaining(['relu', 'tanh', 'accuracy']));
    const grouped = await plotBars({ training: { relu: 1, tanh: 2 }, test: { relu: 3, tanh: 4 } }).svg();
    expect(bars(grouped)).toBe(4);
    expect(texts(grouped)).toEqual(expect.arrayContaining(['training', 'test']));
    expect(bars(await plotBars({ a: 1, b: 2 }, { horizontal: true }).svg())).toBe(2);
    expect(plotBars({ a: Number.NaN }).figures).toMatchObject([{ bars: [{ value: null }] }]);
  });

  test('plotHistogram: counts each value once', async () => {
    const plot = plotHistogram(Float32Array.of(0, 0.1, 0.5, 1, 1, Number.NaN), { bins: 4, xLabel: 'weight' });
    expect(plot.figures).toMatchObject([{ bins: [{ count: 2 }, { count: 0 }, { count: 1 }, { count: 2 }] }]);
    expect(texts(await plot.svg())).toEqual(expect.arrayContaining(['Histogram of weight', 'weight', 'count']));
  });

  test('plotCurves: draws numbers of a custom loop', async () => {
    const plot = plotCurves(
      { training: [3, 2, 1], test: Float32Array.of(3, 2.5, 2) },
      { xLabel: 'step', yLabel: 'loss' },
    );
    expect(plot.figures).toMatchObject([
      { lines: [{ series: 'training', x: [1, 2, 3], y: [3, 2, 1] }, { series: 'test' }] },
    ]);
    expect(texts(await plot.svg())).toEqual(expect.arrayContaining(['step', 'loss', 'training', 'test']));
    const log = plotCurves({ loss: [1, 0.1] }, { x: [10, 100], xLog: true, yLog: true });
    expect(log.figures).toMatchObject([{ x: { log: true }, y: { log: true }, lines: [{ x: [10, 100] }] }]);
  });

  test.each([
    [() => plotBars({}), ArgumentError, /plotBars: takes numbers by category, but there is none/],
    [() => plotBars({ a: 'b' } as never), ArgumentError, /plotBars: "a": options must be an object, but are "b"/],
    [() => plotBars({ a: { b: 'c' } } as never), ArgumentError, /plotBars: "b" must be a number, but is "c"/],
    [() => plotBars([1, 2] as never), ArgumentError, /plotBars: options must be an object/],
    [() => plotBars({ a: 1 }, { horizontal: 1 } as never), ArgumentError, /horizontal must be true or false/],
    [() => plotHistogram([]), ArgumentError, /none of those given is finite/],
    [() => plotHistogram([1], { bins: 0 }), ArgumentError, /bins must be an integer from 1 to 1000/],
    [() => plotHistogram('abc' as never), ArgumentError, /must be a list of numbers/],
    [() => plotCurves({}), ArgumentError, /takes lists of numbers by name, but there is none/],
    [() => plotCurves({ loss: [] }), ArgumentError, /plotCurves: "loss" is empty/],
    [() => plotCurves({ loss: [1, 2] }, { x: [1] }), ShapeError, /"loss" has 2 values, but x has 1/],
  ])('throws for %s', (call, type, says) => {
    expect(call).toThrow(type);
    expect(call).toThrow(says);
  });
});

describe('plotModel', () => {
  test('has a box for each layer, with shapes and parameters, also of a model that is not built', async () => {
    const model = new Sequential([new Dense({ units: 3, inputShape: [2] }), new Dense({ units: 1 })]);
    const written = texts(await plotModel(model, { title: 'Mine' }).svg());
    expect(written.filter((text) => text === 'Dense')).toHaveLength(2);
    expect(written).toEqual(
      expect.arrayContaining(['Mine', 'input', 'dense', 'dense_1', '9 parameters', '4 parameters']),
    );
    expect(texts(await plotModel(trainingOf().model).svg())).toContain('LeNet-5');
    expect(() => plotModel({} as never)).toThrow(/plotModel: takes a Sequential or a Model, but was given/);
    expect(() => plotModel(null as never)).toThrow(ArgumentError);
  });
});

describe('plotImages and plotFilters', () => {
  const set = {
    ...{ images: Uint8Array.from({ length: 3 * 4 }, (_, i) => 20 * i), labels: Uint8Array.of(1, 0, 1) },
    ...{ size: 3, shape: [2, 2, 1], classes: ['cat', nasty] },
  };
  /** The bytes of each picture. */
  const pixels = (plot: Plot) =>
    plot.figures.flatMap((figure) =>
      figure.type === 'images' ? figure.images.map((one) => [...Buffer.from(one.pixels, 'base64')]) : [],
    );

  test('plotImages: a picture for each image of a set, with the name of its class', async () => {
    const plot = plotImages(set);
    expect(pixels(plot)).toEqual([[0, 20, 40, 60], [80, 100, 120, 140], [160, 180, 200, 220]]); // biome-ignore format: as pictures
    const svg = await plot.svg();
    expect(svg.match(/<image /g)).toHaveLength(3);
    expect(texts(svg).filter((text) => text === 'cat')).toHaveLength(1);
    const two = plotImages(set, { count: 2, captions: ['a', 'b'], columns: 1 });
    expect(two.figures).toMatchObject([
      { columns: 1, subtitle: ['the first 2 of 3'], images: [{ caption: 'a' }, { caption: 'b' }] },
    ]);
  });

  test('plotImages: an array of bytes or floats, with a given range', () => {
    expect(pixels(plotImages({ shape: [1, 2, 2], data: Float32Array.of(0, 0.5, 1, 2) }))).toEqual([[0, 128, 255, 255]]);
    expect(pixels(plotImages({ shape: [1, 1, 2, 1], data: [-1, 1] }, { range: [-1, 1] }))).toEqual([[0, 255]]);
    expect(pixels(plotImages({ shape: [1, 1, 1, 3], data: Uint8Array.of(1, 2, 3) }))).toEqual([[1, 2, 3]]);
    expect(pixels(plotImages({ shape: [1, 1, 2], data: Uint8Array.of(0, 100) }, { range: [0, 100] }))).toEqual([
      [0, 255],
    ]);
  });

  test('plotFilters: a picture for each input channel and filter, white at 0, red above and blue below', () => {
    // [1, 2, 2, 2]: value 100 h + 10 c + f at width w, all distinct.
    const data = Float32Array.of(0, 1, -1, 0, 0.5, 0, 0, -0.5);
    const plot = plotFilters({ shape: [1, 2, 2, 2], data });
    const [figure] = plot.figures as unknown as [{ images: { caption: string }[]; limit: number }];
    expect(figure.limit).toBe(1);
    expect(figure.images.map(({ caption }) => caption)).toEqual([
      'filter 0, channel 0',
      'filter 0, channel 1',
      'filter 1, channel 0',
      'filter 1, channel 1',
    ]);
    const white = [255, 255, 255];
    const [red, blue] = [[178, 34, 24], [24, 82, 178]]; // biome-ignore format: as colors
    const half = (color: number[]) => color.map((end) => Math.round(255 + (end - 255) / 2));
    expect(pixels(plot)).toEqual([
      [...white, ...half(red!)],
      [...blue!, ...white],
      [...red!, ...white],
      [...white, ...half(blue!)],
    ]);
    const separatelyScaled = plotFilters({ shape: [1, 2, 2, 2], data }, { ownScale: true });
    expect(pixels(separatelyScaled)[0]).toEqual([...white, ...red!]);
    expect(separatelyScaled.figures[0]).not.toHaveProperty('limit');
  });

  test('plotFilters: units of a dense layer as images of its inputs', () => {
    const kernel = { shape: [4, 2], data: Float32Array.of(1, 0, 0, -1, 0, 0, 0, 0) };
    const { figures } = plotFilters(kernel, { inputShape: [2, 2, 1] });
    expect(figures).toMatchObject([{ images: [{ width: 2, height: 2, caption: 'unit 0' }, { caption: 'unit 1' }] }]);
    expect(plotFilters({ shape: [3, 3, 1, 100], data: new Float32Array(900) }).figures).toMatchObject([
      { subtitle: ['the first 64 of 100'] },
    ]);
  });

  const four = { shape: [1, 2, 2, 1], data: [1, 2, 3, 4] };
  test.each([
    [
      () => plotImages({ ...four, shape: [2, 2] }),
      ShapeError,
      /an array of images is \[images, height, width, channels\]/,
    ],
    [() => plotImages({ ...four, shape: [1, 1, 2, 2] }), ShapeError, /images have 1 or 3 channels/],
    [() => plotImages({ ...four, data: [1] }), ShapeError, /has 4 values, but data has 1/],
    [
      () => plotImages({ ...four, shape: [0, 2, 2, 1], data: [] }),
      ShapeError,
      /a shape is a list of positive integers/,
    ],
    [
      () => plotImages({ shape: [1, 2, 2, 1], data: () => [] } as never),
      ArgumentError,
      /for a tensor, give \{ shape: tensor\.shape/,
    ],
    [() => plotImages(null as never), ArgumentError, /takes an image set/],
    [() => plotImages(four, { range: [1, 0] }), ArgumentError, /range must be two numbers, the smaller first/],
    [() => plotImages(four, { count: 0 }), ArgumentError, /count must be an integer from 1 to 1000/],
    [() => plotImages(four, { columns: 0 }), ArgumentError, /columns must be an integer from 1/],
    [() => plotImages(four, { captions: ['a', 'b'] }), ShapeError, /captions must be a list of 1 texts/],
    [
      () => plotFilters({ shape: [3], data: [1, 2, 3] }),
      ShapeError,
      /a kernel is \[height, width, channels, filters\] or/,
    ],
    [
      () => plotFilters({ shape: [4, 1], data: [1, 2, 3, 4] }),
      ShapeError,
      /a dense kernel of \[4,1\] needs the shape of its 4 inputs/,
    ],
    [() => plotFilters({ shape: [4, 1], data: [1, 2, 3, 4] }, { inputShape: [3, 3, 1] }), ShapeError, /inputShape/],
    [() => plotFilters(undefined as never), ArgumentError, /plotFilters: /],
  ])('throws for %s', (call, type, says) => {
    expect(call).toThrow(type);
    expect(call).toThrow(says);
  });
});

describe('files', () => {
  const plot = plotBars({ a: 1, b: 2 });

  test('the file extension selects the format, in any case, and parent folders are created', async () => {
    const path = (name: string) => join(folder, 'new', name);
    for (const name of ['a.svg', 'a.PNG', 'a.html']) expect(await plot.save(path(name))).toBe(path(name));
    expect(readFileSync(path('a.svg'), 'utf8')).toBe(await plot.svg());
    expect(Buffer.from(await plot.png()).equals(readFileSync(path('a.PNG')))).toBe(true);
    const page = readFileSync(path('a.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>[\s\S]*<figure id="bars">[\s\S]*class="fits narrow"/);
    expect(page).not.toMatch(/<script|https?:/);
    expect(readdirSync(join(folder, 'new')).sort()).toEqual(['a.PNG', 'a.html', 'a.svg']); // no partial file
  });

  test('throws for an unknown format, a folder or no path, and writes nothing', async () => {
    const expectRefused = async (path: string, type: typeof ArgumentError | typeof FileError, says: RegExp) => {
      const error = await plot.save(path).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(type);
      expect((error as Error).message).toMatch(says);
    };
    await expectRefused(
      join(folder, 'a.pdf'),
      ArgumentError,
      /the format follows from the ending, one of \.svg, \.png, \.html, but the path is/,
    );
    await expectRefused(join(folder, 'svg'), ArgumentError, /the format follows from the ending/);
    await expectRefused('', ArgumentError, /the path must be text/);
    await expectRefused(5 as never, ArgumentError, /the path must be text/);
    mkdirSync(join(folder, 'sub.svg'));
    await expectRefused(join(folder, 'sub.svg'), FileError, /sub\.svg is a folder; name a file in it/);
    writeFileSync(join(folder, 'file'), '');
    await expectRefused(join(folder, 'file/a.svg'), FileError, /a part of the path is a file, not a folder/);
    expect(existsSync(join(folder, 'a.pdf'))).toBe(false);
  });

  test('equal figures have the same bytes, also if two are written at once', async () => {
    const [first, second] = await Promise.all([plotHistory(history).svg(), plotHistory(history).svg()]);
    expect(second).toBe(first);
  });

  test('throws for a plot that is not a figure', () => {
    expect(() => new Plot('mine', [])).toThrow(/mine: takes a list of figures, at least one/);
    expect(() => new Plot('mine', [{ type: 'pie' } as never])).toThrow(/mine: this cannot be drawn/);
  });
});

describe('createReport', () => {
  test('writes a page with sections, text, code, tables and drawings; two of a kind have separate names', async () => {
    const report = createReport({
      title: `About ${nasty}`,
      introduction: ['What `fit` did.', 'More.'],
      sections: [
        section(
          'Results',
          'Words.',
          compare([measuredRow('accuracy', 0.9, [0.8, 0.7])]),
          table(['a', 'b'], [['x', 1.5]], 'A table'),
          heading('Small'),
          preformatted('a  b'),
        ),
        section('Curves', plotHistory(history), plotHistory(history, { caption: 'again' })),
      ],
    });
    const path = await report.save(join(folder, 'report.html'));
    const page = readFileSync(path, 'utf8');
    expect(page).toBe(await report.html());
    expect(page).toContain(`<h1>About ${escapeText(nasty)}</h1>`);
    for (const part of [
      '<p>What <code>fit</code> did.</p>',
      '<p>Words.</p>',
      '-15.00 points',
      '<caption><span>A table',
      '<h3>Small</h3>',
      'a  b',
      '<figcaption>again',
    ]) {
      expect(page).toContain(part);
    }
    expect([...page.matchAll(/<figure id="([^"]*)"/g)].map(([, id]) => id)).toEqual([
      ...['history-loss', 'history-accuracy', 'history-loss-2', 'history-accuracy-2'],
    ]);
    expect(page).not.toContain('report.json');
    expect(page).not.toContain('What was run');
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  const fine = [section('a', 'b')];
  test.each([
    [() => createReport({ title: '', sections: fine }), /createReport: title must be text/],
    [
      () => createReport({ title: 'x', sections: [] }),
      /sections must be a list of what section\(title, \.\.\.parts\) returns/,
    ],
    [() => createReport({ title: 'x' } as never), /sections must be a list/],
    [
      () => createReport({ title: 'x', sections: [{}] } as never),
      /createReport: a report cannot be made of this: sections\.0\.title/,
    ],
    [() => createReport({ title: 'x', section: fine } as never), /there is no option section; did you mean sections\?/],
    [() => section(5 as never), /section: a report cannot hold this: title/],
    [() => section('a', 5 as never), /section: takes a title, then drawings, blocks or texts, but part 1 is 5/],
    [() => section('a', { type: 'pie' } as never), /section: a report cannot hold this: blocks\.0\.type/],
    [() => section('a', Promise.resolve() as never), /section: a report cannot hold this/],
    [() => table(['a'], 'x' as never), /table: a report cannot hold this: rows/],
    [() => compare([]), /compare: a report cannot hold this: rows/],
    [() => measuredRow('a', null, []), /measuredRow: our values must be a list of numbers, at least one/],
    [() => measuredRow('a', null, [1], { unit: 'parsec' } as never), /measuredRow: a report cannot hold this: unit/],
    [() => heading(5 as never), /heading: a report cannot hold this: text/],
  ])('throws for %s', (call, says) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(says);
  });

  test('accepts only a .html file', async () => {
    await expect(createReport({ title: 'x', sections: fine }).save(join(folder, 'x.pdf'))).rejects.toThrow(
      /one of \.html, but the path is/,
    );
  });
});
