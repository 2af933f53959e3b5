import type { TopLevelSpec } from 'vega-lite';
import { wrap } from '../escape.ts';
import { vegaConfig } from '../theme.ts';

/** Width of a drawing: wide for desktop pages and for files, narrow for phones. */
export type Canvas = 'wide' | 'narrow';

export const canvasWidth: Record<Canvas, number> = { wide: 720, narrow: 328 };

/** Number of characters of a title or subtitle that fit into a line, also in wide fonts; longer lines would be cut. */
const lineLength: Record<Canvas, { title: number; subtitle: number }> = {
  wide: { title: 72, subtitle: 100 },
  narrow: { title: 30, subtitle: 42 },
};

export function titleLines(heading: { title: string; subtitle?: string[] }, canvas: Canvas) {
  const { title, subtitle } = lineLength[canvas];
  return {
    text: wrap(heading.title, title),
    subtitle: (heading.subtitle ?? []).flatMap((line) => wrap(line, subtitle)),
  };
}

/** A title that begins at the left edge, for plots whose long labels leave too little width above the plot. */
export const titleAtEdge = (heading: { title: string; subtitle?: string[] }, canvas: Canvas) => ({
  ...titleLines(heading, canvas),
  frame: 'bounds',
});

/** A Vega-Lite description as wide as the canvas, with the heading and the style that all plots share. */
export function plotSpec(heading: { title: string; subtitle?: string[] }, canvas: Canvas, rest: object): TopLevelSpec {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: canvasWidth[canvas],
    height: canvas === 'wide' ? 340 : 250,
    autosize: { type: 'fit-x', contains: 'padding' },
    padding: canvas === 'wide' ? 14 : 8,
    title: titleLines(heading, canvas),
    config: vegaConfig,
    ...rest,
  } as unknown as TopLevelSpec;
}
