import { z } from 'zod';
import { heading, value } from './heading.ts';
import { bracketsFigure, panelsFigure, parallelFigure, trialsFigure } from './search-schema.ts';

// What a figure shows, as plain data. Drawing it needs nothing else, so a report can be drawn again from its JSON alone.

/** Curves, bars or rows of one block: more than anyone looks at, and less than what draws them can take. */
export const MOST_ITEMS = 5000;

/** d3's, but without padding; of `.4f` an accuracy reads 0.6022. */
const format = z
  .string()
  .regex(/^[-+( ]?[$#]?,?(\.\d{1,2})?~?[a-z%]?$/i, 'a format of numbers as d3 has them, such as .2f')
  .optional();

/** Curves of one or many runs over epochs, steps or widths. */
export const curvesFigure = z.object({
  type: z.literal('curves'),
  ...heading,
  x: z.object({ label: z.string().min(1), log: z.boolean().optional() }),
  y: z.object({ label: z.string().min(1), log: z.boolean().optional(), format }),
  /**
   * `mean`: a colour a series; thin lines for the runs, with their mean and a band of one standard deviation around it.
   * `each`: a colour a run, dashes for the series. A single run looks the same in both.
   */
  show: z.enum(['mean', 'each']).default('mean'),
  lines: z
    .array(
      z.object({
        /** Tells several trainings apart, such as `seed 1`. */
        run: z.string(),
        /** What is measured, such as `training`. */
        series: z.string(),
        x: z.array(z.number()),
        y: z.array(value),
        /** Standard deviation of each y, where it is a mean itself: drawn as error bars. */
        sd: z.array(value).optional(),
      }),
    )
    .min(1)
    .max(MOST_ITEMS),
  /** Dashed rules at published figures, in the colour of their series. */
  published: z
    .array(z.object({ series: z.string(), value: z.number() }))
    .max(MOST_ITEMS)
    .optional(),
});

/** How often samples of one class were taken for another, as a heat map. */
export const confusionFigure = z
  .object({
    type: z.literal('confusion'),
    ...heading,
    classes: z.array(z.string()).min(2).max(100),
    /** `counts[row][column]`. Percentages and colours are shares of the row. */
    counts: z.array(z.array(z.number().nonnegative())),
    rows: z.string().default('true class'),
    columns: z.string().default('predicted class'),
  })
  .refine(
    ({ classes, counts }) => counts.length === classes.length && counts.every((row) => row.length === classes.length),
    { message: 'counts must have a row and a column for each class', path: ['counts'] },
  );

/** Bars in groups: categories along the axis, and within each a bar a group. */
export const barsFigure = z.object({
  type: z.literal('bars'),
  ...heading,
  x: z.object({ label: z.string().min(1) }),
  y: z.object({ label: z.string().min(1), format }),
  /** Whether the bars lie, a line each: for many categories with long names. */
  horizontal: z.boolean().optional(),
  /** Every group that there could be, in the order of the colours: a legend then names them all, whichever of them have a bar. */
  groups: z.array(z.string()).optional(),
  bars: z
    .array(z.object({ category: z.string(), group: z.string(), value, sd: value.optional() }))
    .min(1)
    .max(MOST_ITEMS),
});

/** How many values lie in each interval. */
export const histogramFigure = z.object({
  type: z.literal('histogram'),
  ...heading,
  x: z.object({ label: z.string().min(1) }),
  y: z.object({ label: z.string().min(1) }),
  bins: z
    .array(z.object({ from: z.number(), to: z.number(), count: z.number().nonnegative() }))
    .min(1)
    .max(MOST_ITEMS),
});

/** Small images side by side, each with its caption; `imageFrom...` in images.ts makes them. */
export const imagesFigure = z.object({
  type: z.literal('images'),
  ...heading,
  /** Images a row; as many as fit, if left out. */
  columns: z.number().int().positive().optional(),
  /** The weight that has the full colour of a diverging scale, for its legend. */
  limit: z.number().positive().optional(),
  images: z
    .array(
      z
        .object({
          caption: z.string().default(''),
          width: z.number().int().positive().max(4096),
          height: z.number().int().positive().max(4096),
          /** 1: gray, 3: red, green, blue. */
          channels: z.union([z.literal(1), z.literal(3)]),
          /** Height x width x channels bytes, in base64. */
          pixels: z.base64(),
        })
        .refine(({ width, height, channels, pixels }) => bytesIn(pixels) === width * height * channels, {
          message: 'must hold height x width x channels bytes',
          path: ['pixels'],
        }),
    )
    .min(1)
    .max(MOST_ITEMS),
});

const shape = z.array(z.number().int().nonnegative());

/** Boxes and arrows: what feeds what in a model. */
export const modelFigure = z.object({
  type: z.literal('model'),
  ...heading,
  inputShape: shape,
  layers: z
    .array(
      z.object({
        name: z.string().min(1),
        kind: z.string(),
        /** Names of the layers that feed it; '' is the model's input, as is an empty list. */
        inbound: z.array(z.string()),
        outputShape: shape,
        parameters: z.number().int().nonnegative(),
      }),
    )
    .min(1)
    .max(MOST_ITEMS),
});

export const figure = z.discriminatedUnion('type', [
  curvesFigure,
  confusionFigure,
  barsFigure,
  histogramFigure,
  imagesFigure,
  modelFigure,
  parallelFigure,
  panelsFigure,
  trialsFigure,
  bracketsFigure,
]);

/** A figure as a program writes it: what has a default may be left out. */
export type Figure = z.input<typeof figure>;
export type FigureOf<T extends Figure['type']> = Extract<z.output<typeof figure>, { type: T }>;
export type ModelLayer = FigureOf<'model'>['layers'][number];

function bytesIn(base64: string): number {
  return (base64.length / 4) * 3 - (base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0);
}
