import { describe, expect, test } from 'vitest';
import { type CurvePlot, curveSpec, drawCurves, renderPng, renderSvg } from '../../src/report/plots.ts';

const plot: CurvePlot = {
  title: 'A1 LeNet-5: accuracy',
  subtitle: ['bundled sample', 'batch 256'],
  quantity: 'accuracy',
  curves: [{ run: 'seed 1', training: [0.2, 0.4, 0.5], test: [0.25, 0.35, 0.45] }],
  published: { training: 0.6191, test: 0.6022 },
};

/** Width and height from the header of a PNG. */
function pngSize(png: Uint8Array): [number, number] {
  const view = new DataView(png.buffer, png.byteOffset);
  expect(view.getUint32(0)).toBe(0x89504e47);
  return [view.getUint32(16), view.getUint32(20)];
}

const lines = (svg: string) => svg.match(/aria-roledescription="line mark"/g)?.length ?? 0;
const dots = (svg: string) => svg.match(/aria-roledescription="point"/g)?.length ?? 0;

describe('curves', () => {
  test('have titles, a legend, both series and the published figures as dashed rules', async () => {
    const svg = await renderSvg(curveSpec(plot));
    for (const text of ['A1 LeNet-5: accuracy', '>bundled sample<', '>batch 256<', '>epoch<', '>accuracy<']) {
      expect(svg).toContain(text);
    }
    for (const text of ['>training<', '>test<', '>published training 0.6191<', '>published test 0.6022<']) {
      expect(svg).toContain(text);
    }
    expect(svg.match(/stroke-dasharray="6,4"/g)).toHaveLength(2);
    expect([lines(svg), dots(svg)]).toEqual([2, 6]);
    expect(svg).toContain('fill="#ffffff"');
  });

  test('are the same bytes for the same input, whatever was drawn before', async () => {
    const first = await drawCurves(plot);
    await drawCurves({ ...plot, quantity: 'loss', published: undefined });
    const second = await drawCurves(plot);
    expect(second.svg).toBe(first.svg);
    expect(Buffer.compare(second.png, first.png)).toBe(0);
    // Clip paths are what Vega numbers through the whole process.
    const clipped: Parameters<typeof renderSvg>[0] = {
      data: { values: [{ x: 1 }] },
      mark: { type: 'point', clip: true },
      encoding: { x: { field: 'x', type: 'quantitative' } },
    };
    const drawn = await renderSvg(clipped);
    expect(drawn).toContain('clip-path');
    expect(await renderSvg(clipped)).toBe(drawn);
  });

  test('leave out values that are not finite and need no published figure', async () => {
    const diverged = { run: 'seed 1', training: [2.3, Number.NaN, null], test: [2.3, Number.POSITIVE_INFINITY, null] };
    const spec = curveSpec({ ...plot, curves: [diverged], published: undefined });
    expect((spec.data as { values: unknown[] }).values).toEqual([
      { run: 'seed 1', series: 'training', epoch: 1, value: 2.3 },
      { run: 'seed 1', series: 'test', epoch: 1, value: 2.3 },
    ]);
    const svg = await renderSvg(spec);
    expect(dots(svg)).toBe(2);
    expect(svg).not.toMatch(/NaN|published|Infinity/);
  });

  test('of several runs show each run and their mean', async () => {
    const other = { run: 'seed 2', training: [0.1, 0.2, 0.3], test: [0.1, 0.2, 0.3] };
    const svg = await renderSvg(curveSpec({ ...plot, curves: [...plot.curves, other] }));
    // Two runs and their mean, each with a training and a test line; only the mean has dots.
    expect([lines(svg), dots(svg)]).toEqual([6, 6]);
    expect(svg).toContain('thin: 2 runs; bold: their mean');
  });

  test('a long subtitle does not widen the picture', async () => {
    const width = (svg: string) => Number(/width="(\d+)"/.exec(svg)?.[1]);
    const long = { ...plot, subtitle: ['many words '.repeat(30).trim()] };
    expect(width(await renderSvg(curveSpec(long)))).toBe(width(await renderSvg(curveSpec(plot))));
  });
});

describe('PNG', () => {
  test('is twice the size of the SVG', async () => {
    const { svg, png } = await drawCurves(plot);
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg) ?? [];
    expect(pngSize(png)).toEqual([2 * Number(width), 2 * Number(height)]);
  });

  test('shows text with the fonts of the package alone', () => {
    const image = (text: string, weight: number) =>
      Buffer.from(
        renderPng(
          `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"><text y="20" font-family="Open Sans" font-weight="${weight}">${text}</text></svg>`,
        ),
      );
    const empty = image('', 400);
    expect(image('loss', 400).equals(empty)).toBe(false);
    expect(image('loss', 600).equals(empty)).toBe(false);
    expect(image('loss', 600).equals(image('loss', 400))).toBe(false);
  });
});
