import type { TopLevelSpec } from 'vega-lite';
import { tones } from '../theme.ts';
import { plotSpec } from './canvas.ts';
import type { FigureOf } from './schema.ts';

type Confusion = FigureOf<'confusion'>;

/** Side of a cell, in pixels: the share and the count below it must fit. */
const CELL = 54;
const MAX_CLASSES_WITH_TEXT = 20;

/** The Vega-Lite description of a heat map: the color of a cell shows its share of the row; its text is the share and the count. */
export function confusionSpec(figure: Confusion): TopLevelSpec {
  const { classes, counts } = figure;
  const cells = counts.flatMap((row, r) => {
    const total = row.reduce((sum, n) => sum + n, 0);
    return row.map((count, c) => {
      const share = total === 0 ? 0 : count / total;
      // The diagonal is blue, errors are orange. Small shares are transparent, which fits any background.
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
  const hasText = classes.length <= MAX_CLASSES_WITH_TEXT;
  const side = hasText ? CELL : 14;
  // Classes may have equal names, so the axis has numbers, and the labels are looked up.
  const axis = (title: string, orient: string, labelAngle: number) => ({
    title,
    orient,
    labelAngle,
    domain: false,
    ticks: false,
    labelLimit: 120,
    labelExpr: `${JSON.stringify(classes)}[datum.value]`,
    ...(hasText ? {} : { labelFontSize: 8 }),
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
      // White text on a full cell is legible in light and dark mode.
      color: { condition: { test: 'datum.dark', value: '#fdfdfe' }, value: tones.ink.light },
    },
  });
  return {
    ...plotSpec(
      { ...figure, subtitle: [...(figure.subtitle ?? []), ...(hasText ? [sharesText(figure)] : [])] },
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
      ...(hasText
        ? [text('percent', -6, 12, 600), { ...text('count', 9, 9.5, 400), transform: [{ filter: 'datum.count > 0' }] }]
        : []),
    ],
  } as TopLevelSpec;
}

/** Not called recall, because rows may be predicted classes. */
const sharesText = ({ rows }: Confusion) => `percentages: shares of the row, of all images of one ${rows}`;

/** Describes the matrix in words, with its most frequent error. */
export function confusionAlt({ title, classes, counts, rows, columns }: Confusion): string {
  const total = counts.flat().reduce((sum, n) => sum + n, 0);
  const correct = counts.reduce((sum, row, i) => sum + row[i]!, 0);
  let worst = { r: 0, c: 1 };
  for (const [r, row] of counts.entries()) {
    for (const [c, n] of row.entries()) if (r !== c && n > counts[worst.r]![worst.c]!) worst = { r, c };
  }
  const n = counts[worst.r]![worst.c]!;
  const error =
    n === 0 ? '' : ` Most frequent error: ${rows} ${classes[worst.r]}, ${columns} ${classes[worst.c]}, ${n} times.`;
  return `${title}. Confusion matrix of ${classes.length} classes, ${rows} by row and ${columns} by column: ${correct} of ${total} on the diagonal.${error}`;
}
