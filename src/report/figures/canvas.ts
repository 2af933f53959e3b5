import type { TopLevelSpec } from 'vega-lite';
import { wrap } from '../escape.ts';
import { vegaConfig } from '../theme.ts';

/** How wide a drawing is: for a page on a desk and for files, or for a phone held upright. */
export type Canvas = 'wide' | 'narrow';

export const canvasWidth: Record<Canvas, number> = { wide: 720, narrow: 328 };

/** Characters of a title or subtitle that fit a line, in the wider fonts too: a longer one would be cut. */
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

/** A title from the left edge on, where long labels stand left of the axis and leave too little room above the plot. */
export const titleAtEdge = (heading: { title: string; subtitle?: string[] }, canvas: Canvas) => ({
  ...titleLines(heading, canvas),
  frame: 'bounds',
});

/** A Vega-Lite description as wide as the canvas, with the heading and the looks all plots share. */
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
