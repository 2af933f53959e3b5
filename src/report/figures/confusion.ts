import type { TopLevelSpec } from 'vega-lite';
import { tones } from '../theme.ts';
import { plotSpec } from './canvas.ts';
import type { FigureOf } from './schema.ts';

type Confusion = FigureOf<'confusion'>;

/** Side of a cell, in pixels: the share and the count below it must fit. */
const CELL = 54;
const MAX_CLASSES_WITH_FIGURES = 20;

/** The Vega-Lite description of a heat map: a cell's colour is its share of the row, written in it with the count. */
export function confusionSpec(figure: Confusion): TopLevelSpec {
  const { classes, counts } = figure;
  const cells = counts.flatMap((row, r) => {
    const total = row.reduce((sum, n) => sum + n, 0);
    return row.map((count, c) => {
      const share = total === 0 ? 0 : count / total;
      // The diagonal in blue and what went wrong in orange: both fade to the paper, whatever its colour.
      return {
        r,
        c,
        count,
        share,
        right: r === c,
        percent: count === 0 ? '' : `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)}%`,
        dark: share > 0.75,
      };
    });
  });
  const withFigures = classes.length <= MAX_CLASSES_WITH_FIGURES;
  const side = withFigures ? CELL : 14;
  // Classes may share a name; numbers keep them apart, and the labels are looked up.
  const axis = (title: string, orient: string, labelAngle: number) => ({
    title,
    orient,
    labelAngle,
    domain: false,
    ticks: false,
    labelLimit: 120,
    labelExpr: `${JSON.stringify(classes)}[datum.value]`,
    ...(withFigures ? {} : { labelFontSize: 8 }),
  });
  const numbers = classes.map((_, i) => i);
  const longest = Math.max(...classes.map((name) => name.length));
  const x = {
    field: 'c',
    type: 'ordinal',
    scale: { domain: numbers, padding: 0.03 },
    axis: axis(figure.columns, 'top', longest * 6.5 > side ? -40 : 0),
  };
  const y = {
    field: 'r',
    type: 'ordinal',
    scale: { domain: numbers, padding: 0.03 },
    axis: axis(figure.rows, 'left', 0),
  };
  const text = (field: string, dy: number, fontSize: number, fontWeight: number) => ({
    mark: { type: 'text', dy, fontSize, fontWeight },
    encoding: {
      x,
      y,
      text: { field },
      // White on a full cell holds in light and dark alike.
      color: { condition: { test: 'datum.dark', value: '#fdfdfe' }, value: tones.ink.light },
    },
  });
  return {
    ...plotSpec(
      { ...figure, subtitle: [...(figure.subtitle ?? []), ...(withFigures ? [sharesText(figure)] : [])] },
      'wide',
      {},
    ),
    width: { step: side },
    height: { step: side },
    autosize: { type: 'pad' },
    data: { values: cells },
    layer: [
      { mark: { type: 'rect', color: tones.panel.light }, encoding: { x, y } },
      {
        mark: { type: 'rect' },
        encoding: {
          x,
          y,
          color: { condition: { test: 'datum.right', value: '#2268a6' }, value: '#c4501f' },
          fillOpacity: { field: 'share', type: 'quantitative', scale: { domain: [0, 1], range: [0, 1] }, legend: null },
        },
      },
      ...(withFigures
        ? [text('percent', -6, 12, 600), { ...text('count', 9, 9.5, 400), transform: [{ filter: 'datum.count > 0' }] }]
        : []),
    ],
  } as TopLevelSpec;
}

/** Rows may be predicted classes: a share on the diagonal is then no recall. */
const sharesText = ({ rows }: Confusion) => `percentages: shares of the row, of all images of one ${rows}`;

/** What is most often mistaken for what, in words. */
export function confusionAlt({ title, classes, counts, rows, columns }: Confusion): string {
  const total = counts.flat().reduce((sum, n) => sum + n, 0);
  const right = counts.reduce((sum, row, i) => sum + row[i]!, 0);
  let worst = { r: 0, c: 1 };
  for (const [r, row] of counts.entries()) {
    for (const [c, n] of row.entries()) if (r !== c && n > counts[worst.r]![worst.c]!) worst = { r, c };
  }
  const n = counts[worst.r]![worst.c]!;
  const error =
    n === 0 ? '' : ` Most frequent error: ${rows} ${classes[worst.r]}, ${columns} ${classes[worst.c]}, ${n} times.`;
  return `${title}. Confusion matrix of ${classes.length} classes, ${rows} by row and ${columns} by column: ${right} of ${total} on the diagonal.${error}`;
}
