import { createRequire } from 'node:module';
import type { TopLevelSpec } from 'vega-lite';
import { ArgumentError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { escapeText, removeControls } from './escape.ts';
import { barsAlt, barsSpec, histogramAlt, histogramSpec } from './figures/bars.ts';
import { bracketsAlt, bracketsSpec } from './figures/brackets.ts';
import type { Canvas } from './figures/canvas.ts';
import { confusionAlt, confusionSpec } from './figures/confusion.ts';
import { curvesAlt, curvesSpec } from './figures/curves.ts';
import { imagesAlt, imagesSvg } from './figures/images.ts';
import { modelAlt, modelSvg } from './figures/model.ts';
import { panelsAlt, panelsSpec } from './figures/panels.ts';
import { parallelAlt, parallelSpec } from './figures/parallel.ts';
import { type Figure, type FigureOf, figure as figureSchema } from './figures/schema.ts';
import { trialsAlt, trialsSpec } from './figures/trials.ts';
import { firstIssue } from './issue.ts';
import { font } from './theme.ts';

type Drawer<T extends Figure['type']> = {
  svg(figure: FigureOf<T>, canvas: Canvas): string | Promise<string>;
  alt(figure: FigureOf<T>): string;
  /** Whether there is a narrow drawing for phones. If not, a phone shows the wide one in a box that scrolls. */
  hasNarrow: boolean;
};

const drawers: { [T in Figure['type']]: Drawer<T> } = {
  curves: { svg: (figure, canvas) => renderSvg(curvesSpec(figure, canvas)), alt: curvesAlt, hasNarrow: true },
  confusion: { svg: (figure) => renderSvg(confusionSpec(figure)), alt: confusionAlt, hasNarrow: false },
  bars: { svg: (figure, canvas) => renderSvg(barsSpec(figure, canvas)), alt: barsAlt, hasNarrow: true },
  histogram: { svg: (figure, canvas) => renderSvg(histogramSpec(figure, canvas)), alt: histogramAlt, hasNarrow: true },
  images: { svg: imagesSvg, alt: imagesAlt, hasNarrow: true },
  parallel: { svg: (figure, canvas) => renderSvg(parallelSpec(figure, canvas)), alt: parallelAlt, hasNarrow: true },
  panels: { svg: (figure, canvas) => renderSvg(panelsSpec(figure, canvas)), alt: panelsAlt, hasNarrow: true },
  trials: { svg: (figure, canvas) => renderSvg(trialsSpec(figure, canvas)), alt: trialsAlt, hasNarrow: true },
  brackets: { svg: (figure, canvas) => renderSvg(bracketsSpec(figure, canvas)), alt: bracketsAlt, hasNarrow: true },
  model: { svg: modelSvg, alt: modelAlt, hasNarrow: false },
};

export interface Drawing {
  /** The wide drawing, on a white background. */
  svg: string;
  /** The narrow drawing, for a phone, where the wide one would be too small to read. */
  narrow?: string;
  /** A description of the drawing in words. */
  alt: string;
}

/** Draws a figure as SVG. The same figure gives the same bytes. @throws ArgumentError for an invalid figure */
export async function drawFigure(figure: Figure): Promise<Drawing> {
  const { success, data: parsed, error } = figureSchema.safeParse(figure);
  if (!success) throw new ArgumentError(`this cannot be drawn as a figure: ${firstIssue(error)}`);
  const drawer = drawers[parsed.type] as Drawer<Figure['type']>;
  const alt = drawer.alt(parsed);
  const draw = async (canvas: Canvas) => withAlt(await drawer.svg(parsed, canvas), alt);
  return { svg: await draw('wide'), ...(drawer.hasNarrow ? { narrow: await draw('narrow') } : {}), alt };
}

/** Adds a label, which a screen reader reads instead of the parts of the drawing. */
function withAlt(svg: string, alt: string): string {
  return svg.replace('<svg ', () => `<svg role="img" aria-label="${escapeText(alt)}" `); // a function, so that `$'` in a title is not replaced
}

const DRAWING = 'drawing figures';
type TextMark = { fontSize?: number; fontWeight?: number };

async function loadVega() {
  const vega = await importPackage('vega', DRAWING, () => import('vega'));
  // Without a canvas, Vega assumes that a letter is 0.8 of its height wide, which leaves too much space. Open Sans is narrower.
  const { textMetrics } = vega as unknown as { textMetrics: { width(item: TextMark, text: unknown): number } };
  textMetrics.width = (item, text) =>
    String(text ?? '').length * (item.fontSize ?? 11) * (Number(item.fontWeight) >= 600 ? 0.59 : 0.55);
  return vega;
}

/**
 * Draws a Vega-Lite description as SVG, without a DOM. The same description gives the same bytes.
 * @throws MissingPackageError if Vega is not installed
 */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const { Error: logErrors, logger, parse, resetSVGDefIds, View } = await loadVega();
  const { compile } = await importPackage('vega-lite', DRAWING, () => import('vega-lite'));
  // Vega numbers clip paths and gradients with a counter of the process, which would make the second drawing differ.
  resetSVGDefIds();
  const quiet = logger(logErrors);
  const view = new View(parse(compile(spec, { logger: quiet }).spec), { renderer: 'none', logger: quiet });
  try {
    return removeControls(await view.toSVG()); // Vega escapes markup only
  } finally {
    view.finalize();
  }
}

/** Maximum height of a PNG: viewers and resvg fail for larger ones. */
const MAX_PIXELS = 12_000;

/**
 * Draws an SVG as PNG at twice its size, or smaller if it is very long. The font comes from a package, because text would be missing on a
 * machine without fonts.
 * @throws MissingPackageError if resvg or the font is not installed
 */
export async function renderPng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await importPackage('@resvg/resvg-js', DRAWING, () => import('@resvg/resvg-js'));
  const locate = createRequire(import.meta.url).resolve;
  const fontFiles = await importPackage('@expo-google-fonts/open-sans', DRAWING, () =>
    ['400Regular/OpenSans_400Regular', '600SemiBold/OpenSans_600SemiBold'].map((name) =>
      locate(`@expo-google-fonts/open-sans/${name}.ttf`),
    ),
  );
  const height = Number(/height="([\d.]+)"/.exec(svg)?.[1]);
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: Math.min(2, MAX_PIXELS / height) },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: font, sansSerifFamily: font },
  });
  return image.render().asPng();
}
