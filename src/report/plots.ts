import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { Error as logErrors, logger, parse, resetSVGDefIds, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/**
 * The curves of one trained model: one value an epoch, from epoch 1. Values that are not finite are left out of the
 * plot.
 */
export interface Curve {
  /** Distinguishes several trainings on one plot, such as `seed 1`. */
  run: string;
  training: (number | null)[];
  test: (number | null | undefined)[];
}

/** A plot of training and test curves over the epochs. */
export interface CurvePlot {
  title: string;
  /** One line each. */
  subtitle: string[];
  /** Title of the vertical axis. */
  quantity: string;
  curves: Curve[];
  /** Published figures, each drawn as a dashed rule with its label. */
  published?: { training: number; test: number };
  /** Format of the vertical axis and the labels (d3-format). */
  format?: string;
}

const font = 'Open Sans';
const colours = { training: '#1f6fb4', test: '#d9541e' };

type Point = { run: string; series: 'training' | 'test'; epoch: number; value: number };

function points(curves: Curve[]): Point[] {
  const ofSeries = (run: string, series: Point['series'], values: (number | null | undefined)[]) =>
    values.flatMap((value, index) =>
      typeof value === 'number' && Number.isFinite(value) ? [{ run, series, epoch: index + 1, value }] : [],
    );
  return curves.flatMap((curve) => [
    ...ofSeries(curve.run, 'training', curve.training),
    ...ofSeries(curve.run, 'test', curve.test),
  ]);
}

/** Breaks a line at spaces: a title wider than the plot would widen the whole picture. */
function wrap(text: string, width = 72): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/** Dashed rules at the published figures, labelled at the left, where the curves of an accuracy are still low. */
function publishedLayers(plot: CurvePlot): TopLevelSpec[] {
  if (!plot.published) return [];
  const { training, test } = plot.published;
  const entries = [
    { series: 'training', value: training },
    { series: 'test', value: test },
  ].map((entry) => ({ ...entry, label: `published ${entry.series} ${entry.value.toFixed(4)}` }));
  // The higher label stands above its rule and the lower one below: the two figures are often too close for both
  // between.
  const higher = training >= test ? 'training' : 'test';
  const colour = { field: 'series', type: 'nominal' as const };
  return entries.flatMap((entry) => [
    {
      data: { values: [entry] },
      mark: { type: 'rule', strokeDash: [6, 4], strokeWidth: 1.3, opacity: 0.9 },
      encoding: { y: { field: 'value', type: 'quantitative' }, color: colour },
    },
    {
      data: { values: [entry] },
      mark: {
        type: 'text',
        align: 'left',
        baseline: entry.series === higher ? 'bottom' : 'top',
        dx: 6,
        dy: entry.series === higher ? -3 : 4,
        fontSize: 11,
      },
      encoding: {
        x: { value: 0 },
        y: { field: 'value', type: 'quantitative' },
        text: { field: 'label' },
        color: colour,
      },
    },
  ]) as TopLevelSpec[];
}

/** The Vega-Lite description of a plot: plain data, so that it can be kept, changed or drawn elsewhere. */
export function curveSpec(plot: CurvePlot): TopLevelSpec {
  const values = points(plot.curves);
  const several = plot.curves.length > 1;
  const lastEpoch = Math.max(2, ...values.map((point) => point.epoch));
  const x = {
    field: 'epoch',
    type: 'quantitative' as const,
    title: 'epoch',
    scale: { domain: [1, lastEpoch], nice: false },
    axis: { format: 'd', tickMinStep: 1, grid: false, labelFlush: false },
  };
  const y = {
    type: 'quantitative' as const,
    title: plot.quantity,
    scale: { zero: false, nice: true },
    axis: { format: plot.format ?? '.2f' },
  };
  const color = {
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: Object.keys(colours), range: Object.values(colours) },
    legend: { title: null, orient: 'top-right', direction: 'horizontal', offset: -22 } as const,
  };
  const eachRun = {
    mark: several
      ? { type: 'line', strokeWidth: 1, opacity: 0.35 }
      : { type: 'line', strokeWidth: 2.2, point: { size: 32, filled: true } },
    encoding: { x, y: { ...y, field: 'value' }, color, detail: { field: 'run' } },
  };
  const mean = {
    mark: { type: 'line', strokeWidth: 2.6, point: { size: 32, filled: true } },
    encoding: { x, y: { ...y, field: 'value', aggregate: 'mean' }, color },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 620,
    height: 360,
    padding: 16,
    background: '#ffffff',
    title: {
      text: plot.title,
      subtitle: [
        ...plot.subtitle.flatMap((line) => wrap(line)),
        ...(several ? [`thin: ${plot.curves.length} runs; bold: their mean`] : []),
      ],
      anchor: 'start',
      offset: 26,
    },
    data: { values },
    layer: [...publishedLayers(plot), eachRun, ...(several ? [mean] : [])],
    config: {
      font,
      title: { fontSize: 16, fontWeight: 600, subtitleFontSize: 12, subtitleColor: '#5b6570', subtitlePadding: 6 },
      axis: {
        labelFontSize: 11,
        titleFontSize: 12,
        titleFontWeight: 600,
        titlePadding: 10,
        gridColor: '#e8ebee',
        domainColor: '#9aa3ad',
        tickColor: '#9aa3ad',
        labelColor: '#3b444d',
        titleColor: '#3b444d',
      },
      legend: { labelFontSize: 12, symbolType: 'stroke', symbolStrokeWidth: 3, symbolSize: 200 },
      view: { stroke: null },
    },
  } as TopLevelSpec;
}

/** Draws a Vega-Lite description as SVG, without a DOM. The same description gives the same bytes. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  // Vega numbers clip paths and gradients with a counter of the process, which would make the second drawing differ.
  resetSVGDefIds();
  const quiet = logger(logErrors);
  const view = new View(parse(compile(spec, { logger: quiet }).spec), { renderer: 'none', logger: quiet });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * Draws an SVG as PNG at twice its size. The font comes with the package: a bare machine has none, and text would
 * vanish.
 */
export function renderPng(svg: string): Uint8Array {
  const locate = createRequire(import.meta.url).resolve;
  const fontFiles = ['400Regular/OpenSans_400Regular', '600SemiBold/OpenSans_600SemiBold'].map((name) =>
    locate(`@expo-google-fonts/open-sans/${name}.ttf`),
  );
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: font, sansSerifFamily: font },
  });
  return image.render().asPng();
}

/** Training and test curves as SVG and PNG. */
export async function drawCurves(plot: CurvePlot): Promise<{ svg: string; png: Uint8Array }> {
  const svg = await renderSvg(curveSpec(plot));
  return { svg, png: renderPng(svg) };
}
