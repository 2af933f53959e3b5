import { describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { drawFigure, renderPng, renderSvg } from '../../src/report/draw.ts';
import { escapeText } from '../../src/report/escape.ts';
import { countBins } from '../../src/report/figures/bars.ts';
import { curvesSpec, meanCurve } from '../../src/report/figures/curves.ts';
import { type Figure, type FigureOf, figure as figureSchema } from '../../src/report/figures/schema.ts';
import { figures, nasty } from './samples.ts';

/** Width and height from the header of a PNG. */
function pngSize(png: Uint8Array): [number, number] {
  const view = new DataView(png.buffer, png.byteOffset);
  expect(view.getUint32(0)).toBe(0x89504e47);
  return [view.getUint32(16), view.getUint32(20)];
}

const svgSize = (svg: string) => {
  const [, width, height] = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  return [Number(width), Number(height)] as const;
};
const lines = (svg: string) =>
  [...svg.matchAll(/<path d="[^"]*" stroke="(#\w+)" stroke-width="(?:1|1\.6|2\.4)"/g)].map((m) => m[1]);
const every = Object.values(figures).map((figure) => [figure.type, figure] as const);
const curves = (changes: Partial<FigureOf<'curves'>>): FigureOf<'curves'> =>
  figureSchema.parse({ ...figures.curves, ...changes }) as FigureOf<'curves'>;

describe.each(every)('%s', (_type, figure) => {
  test('has its title, its labels and its alternative text, escaped', async () => {
    const { svg, narrow, alt } = await drawFigure(figure);
    for (const drawn of narrow ? [svg, narrow] : [svg]) {
      // Words may be broken between lines.
      const text = drawn.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
      expect(text).toContain(escapeText(figure.title).replaceAll('&quot;', '"').replaceAll('&#39;', "'"));
      if ('x' in figure) for (const label of [figure.x.label, figure.y.label]) expect(drawn).toContain(`>${label}<`);
      expect(drawn).toContain(`role="img" aria-label="${escapeText(alt)}"`);
      expect(drawn).not.toContain('<img');
      expect(drawn).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(alt.startsWith(figure.title)).toBe(true);
    expect(alt.length).toBeGreaterThan(figure.title.length + 20);
  });

  test('has the same bytes when drawn again after others, and its PNG is twice as large', async () => {
    const first = await drawFigure(figure);
    await drawFigure(figures.curves);
    expect(await drawFigure(figure)).toEqual(first);
    const png = await renderPng(first.svg);
    expect(Buffer.from(await renderPng(first.svg)).equals(png)).toBe(true);
    const [width, height] = svgSize(first.svg);
    expect(pngSize(png)[0] / width).toBeCloseTo(2, 1);
    expect(pngSize(png)[1] / height).toBeCloseTo(2, 1);
  });

  test('fits its width, 720 wide or 328 on a phone, or scrolls', async () => {
    const { svg, narrow } = await drawFigure(figure);
    expect(svgSize(svg)[0]).toBeLessThanOrEqual(720);
    if (narrow) expect(svgSize(narrow)[0]).toBeLessThanOrEqual(328);
    expect(narrow === undefined).toBe(['confusion', 'model'].includes(figure.type));
    expect(svg.length).toBeLessThan(60_000);
  });
});

test('clip paths, which Vega numbers throughout the process, are the same in a second drawing', async () => {
  const clipped: Parameters<typeof renderSvg>[0] = {
    data: { values: [{ x: 1 }] },
    mark: { type: 'point', clip: true },
    encoding: { x: { field: 'x', type: 'quantitative' } },
  };
  const drawn = await renderSvg(clipped);
  expect(drawn).toContain('clip-path');
  expect(await renderSvg(clipped)).toBe(drawn);
});

test('PNGs draw text only with the fonts of the package', async () => {
  const image = async (text: string, weight: number) =>
    Buffer.from(
      await renderPng(
        `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"><text y="20" font-family="Open Sans, sans-serif" font-weight="${weight}">${text}</text></svg>`,
      ),
    );
  const loss = await image('loss', 400);
  expect(loss.equals(await image('', 400))).toBe(false);
  expect(loss.equals(await image('loss', 600))).toBe(false);
});

test.each(every)('%s: leaves out control characters, which no SVG reader accepts', async (_type, figure) => {
  const wild = { ...figure, title: 'a\u0000b\u001b[31mc\ufffed\uffff', subtitle: ['e\u0007f'] };
  const { svg, narrow } = await drawFigure(wild as Figure);
  for (const drawn of narrow ? [svg, narrow] : [svg]) {
    expect(drawn).toContain('>ab[31mcd<');
    expect(drawn).toContain('>ef<');
    expect(pngSize(await renderPng(drawn))[0]).toBeGreaterThan(0);
  }
});

describe('curves', () => {
  const run = (name: string, factor: number) => ({
    run: name,
    series: 'training',
    x: [1, 2, 3],
    y: [1, 2, 3].map((v) => v * factor),
  });
  const ten = Array.from({ length: 10 }, (_, i) => run(`seed ${i + 1}`, 1 + i / 10));

  test('show published figures as dashed rules with labels', async () => {
    const { svg } = await drawFigure(figures.curves);
    expect(svg.match(/stroke-dasharray="6,4"/g)).toHaveLength(1);
    expect(svg).toContain('>published training 0.6191<');
    expect(lines(svg)).toHaveLength(2);
  });

  test('of several runs show each run, and their mean with a band', async () => {
    const { svg } = await drawFigure(curves({ lines: ten, published: [] }));
    expect(lines(svg)).toHaveLength(11);
    expect(svg).toContain('thin: 10 runs; bold: their mean; band: one standard deviation');
    const [first] = meanCurve(curves({ lines: ten }), 'training');
    expect(first).toMatchObject({ x: 1, y: 1.45 });
    expect(first!.high! - first!.y).toBeCloseTo(Math.sqrt(82.5 / 100 / 9), 12);
  });

  test("with show 'each' name every run in the legend, in a separate color", async () => {
    const { svg, narrow } = await drawFigure(curves({ lines: ten, show: 'each', published: [] }));
    for (const drawn of [svg, narrow!]) {
      for (const { run } of ten) expect(drawn).toContain(`>${run}<`);
      expect(new Set(lines(drawn)).size).toBe(10);
      expect(lines(drawn)).toHaveLength(10);
    }
  });

  test("with show 'each' are points if a line has one value", async () => {
    const one = (y: number[]) => y.map((value, i) => ({ run: `variation ${i}`, series: 'val', x: [1], y: [value] }));
    const { svg, narrow } = await drawFigure(curves({ lines: one([0.2, 0.3, 0.4]), show: 'each', published: [] }));
    for (const drawn of [svg, narrow!]) {
      const points = drawn.match(/class="mark-symbol role-mark[^"]*"[\s\S]*?<\/g>/)?.[0] ?? '';
      const drawnPoints = [...points.matchAll(/<path [^>]*transform="translate\(([^)]*)\)"[^>]*fill="([^"]*)"/g)];
      expect(new Set(drawnPoints.map(([, y]) => y)).size).toBe(3);
      expect(new Set(drawnPoints.map(([, , fill]) => fill)).size).toBe(3);
    }
    const mixed = [...one([0.2, 0.3]), { run: 'long', series: 'val', x: [1, 2], y: [0.1, 0.2] }];
    const { svg: both } = await drawFigure(curves({ lines: mixed, show: 'each', published: [] }));
    const symbols = both.match(/class="mark-symbol role-mark[^"]*"[\s\S]*?<\/g>/)?.[0] ?? '';
    expect(symbols.match(/<path /g)).toHaveLength(2); // a line that can be seen has none
  });

  test.each([
    ['one run', 1, 'mean', 2],
    ['the mean of several runs', 3, 'mean', 6 + 2],
    ['each of several runs', 3, 'each', 6],
  ] as const)('of one epoch are points in the center of the plot: %s', async (_, runs, show, count) => {
    const values = (seed: number) => [`seed ${seed}`, 0.3 + seed / 20] as const;
    const one = Array.from({ length: runs }, (_, i) => values(i + 1)).flatMap(([run, y]) =>
      ['training', 'test'].map((series) => ({ run, series, x: [1], y: [series === 'test' ? y - 0.01 : y] })),
    );
    const { svg, narrow } = await drawFigure(curves({ lines: one, show, published: [] }));
    for (const [drawn, width] of [
      [svg, 720],
      [narrow!, 328],
    ] as const) {
      // biome-ignore format: as pairs
      const groups = [...drawn.matchAll(/class="mark-symbol role-mark[^"]*"[\s\S]*?<\/g>/g)].map(([group]) => group);
      const xs = groups.flatMap((group) =>
        [...group.matchAll(/transform="translate\(([\d.]+),/g)].map(([, x]) => Number(x)),
      );
      expect(xs).toHaveLength(count);
      for (const x of xs) expect(Math.abs(x / width - 0.45)).toBeLessThan(0.1); // the plot begins right of its labels
      expect(drawn.match(/<text [^>]*>1<\/text>/g)).toHaveLength(1); // the epoch, and none before or after it
      expect(drawn).not.toContain('>2</text>');
    }
  });

  test('leave out values that are not finite, and on a logarithmic axis those that are not above 0', async () => {
    const y = [2.3, Number.NaN, null, Number.POSITIVE_INFINITY, 0, -1, 2];
    const figure = {
      ...figures.curves,
      lines: [{ run: 'seed 1', series: 'training', x: y.map((_, i) => i + 1), y: JSON.parse(JSON.stringify(y)) }],
      published: [],
    };
    const knownPoints = (log: boolean) => meanCurve(curves({ ...figure, y: { label: 'loss', log } }), 'training');
    expect(knownPoints(false).map((point) => point.y)).toEqual([2.3, 0, -1, 2]);
    expect(knownPoints(true).map((point) => point.y)).toEqual([2.3, 2]);
    const { svg } = await drawFigure(curves({ ...figure, y: { label: 'loss', log: true } }));
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  test('without a finite value are an empty plot', async () => {
    const empty = { run: 'seed 1', series: 'training', x: [1, 2], y: [null, null] };
    const { svg, alt } = await drawFigure(curves({ lines: [empty], published: [] }));
    expect(svg).toContain('>epoch<');
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(alt).toContain('no finite values');
  });

  test('over widths have a logarithmic axis with the widths as ticks, and error bars', async () => {
    const x = [2, 4, 8, 16, 32, 64, 128, 256];
    const y = x.map((width) => 1 - 1 / width);
    const line = { run: 'mean', series: 'test', x, y, sd: x.map(() => 0.02) };
    const { svg } = await drawFigure(curves({ x: { label: 'units', log: true }, lines: [line], published: [] }));
    for (const width of x) expect(svg).toContain(`>${width}<`);
    expect(svg).toContain('>error bars: one standard deviation<');
    expect(svg.match(/<line [^>]*stroke-width="1.4"/g)).toHaveLength(8);
  });

  test('of very many points are thinned, but keep a spike', () => {
    const y = Array.from({ length: 20_000 }, (_, i) => (i === 12_345 ? 99 : Math.sin(i / 500)));
    const figure = curves({ lines: [{ run: 'a', series: 'training', x: y.map((_, i) => i), y }], published: [] });
    const { layer } = curvesSpec(figure, 'wide') as unknown as {
      layer: { data: { values: { x: number; y: number }[] } }[];
    };
    const { values } = layer[0]!.data;
    expect(values.length).toBeLessThanOrEqual(602);
    expect([values[0]!.x, values.at(-1)!.x]).toEqual([0, 19_999]);
    expect(values.some((point) => point.y === 99)).toBe(true);
  });

  test('a long title or subtitle does not widen the drawing', async () => {
    const words = 'many words '.repeat(30).trim();
    const { svg, narrow } = await drawFigure(curves({ title: words, subtitle: [words] }));
    expect([svgSize(svg)[0], svgSize(narrow!)[0]]).toEqual([720, 328]);
  });
});

describe('confusion matrix', () => {
  test('shows counts and shares of the row; a class without samples has no share', async () => {
    const { svg, alt } = await drawFigure(figures.confusion);
    for (const text of ['80%', '20%', '10%', '90%', '8', '9']) expect(svg).toContain(`>${text}<`);
    expect(svg).toContain('>percentages: shares of the row, of all images of one true class<');
    const swapped = { ...figures.confusion, rows: 'predicted class', columns: 'true class' };
    expect((await drawFigure(swapped)).svg).toContain('of all images of one predicted class<');
    expect(alt).toContain('17 of 20 on the diagonal');
    expect(alt).toContain(`Most frequent error: true class cat, predicted class ${nasty}, 2 times`);
  });

  test('names each of ten classes on both sides; with a hundred it keeps its size', async () => {
    const matrix = (n: number): Figure => ({
      ...figures.confusion,
      classes: Array.from({ length: n }, (_, i) => `class ${i}`),
      counts: Array.from({ length: n }, (_, r) => Array.from({ length: n }, (_, c) => (r === c ? 90 : 1))),
    });
    const { svg } = await drawFigure(matrix(10));
    for (let i = 0; i < 10; i++) expect(svg.split(`>class ${i}<`)).toHaveLength(3);
    const [width, height] = svgSize((await drawFigure(matrix(100))).svg);
    expect(Math.max(width, height)).toBeLessThan(1800);
  });

  test('throws for a matrix that is not square', () => {
    const { success } = figureSchema.safeParse({ ...figures.confusion, counts: [[1, 2, 3]] });
    expect(success).toBe(false);
  });
});

test('bars with a deviation explain it; others do not', async () => {
  const { svg } = await drawFigure(figures.bars);
  expect(svg).not.toContain('error bars');
  const bars = figures.bars.bars.map((bar) => ({ ...bar, sd: 0.02 }));
  expect((await drawFigure({ ...figures.bars, bars })).svg).toContain('>error bars: one standard deviation<');
});

describe('histogram', () => {
  test('counts every finite value once, also the largest', () => {
    const bins = countBins([0, 0.1, 0.5, 1, 1, Number.NaN, Number.POSITIVE_INFINITY], 4);
    expect(bins.map(({ count }) => count)).toEqual([2, 0, 1, 2]);
    expect([bins[0]!.from, bins[3]!.to]).toEqual([0, 1]);
  });

  test('of one repeated value, and of none', () => {
    expect(countBins([3, 3, 3], 3).map(({ count }) => count)).toEqual([0, 3, 0]);
    expect(countBins([Number.NaN])).toEqual([]);
  });
});

test('throws for formats that d3 does not know; draws with the others', async () => {
  const y = (format: string) => ({ label: 'accuracy', format });
  for (const format of ['%%zz', '.f', '2f2', 'ff', '.999f', '*^9999999999d']) {
    for (const figure of [figures.curves, figures.bars]) {
      const failure = await drawFigure({ ...figure, y: y(format) } as Figure).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ArgumentError);
      expect((failure as Error).message).toContain('y.format: a format of numbers');
    }
  }
  const known = ['', '.2f', ',.4~r', '+.1%', '~s', '$,.2f', '(d', '#x', 'c', 'n', 'Z'];
  for (const format of known) expect((await drawFigure(curves({ y: y(format) }))).svg).toContain('<svg');
  expect((await drawFigure(curves({ y: y('+.3f') }))).svg).toContain('>+0.300<');
});

test('throws for an object that is not a figure', async () => {
  for (const changes of [{ name: '../up' }, { title: '' }, { type: 'pie' }, { lines: [] }]) {
    await expect(drawFigure({ ...figures.curves, ...changes } as Figure)).rejects.toThrow(ArgumentError);
  }
});
