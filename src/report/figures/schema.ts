import { z } from 'zod';
import { heading, value } from './heading.ts';
import { bracketsFigure, panelsFigure, parallelFigure, trialsFigure } from './search-schema.ts';

// What a figure shows, as plain data. Drawing it needs nothing else, so a report can be drawn again from its JSON alone.

/** Curves, bars or rows of one block: more than anyone looks at, and less than what draws them can take. */
export const MAX_ITEMS = 5000;

/** d3's, but without padding; of `.4f` an accuracy reads 0.6022. */
const format = z
  .string()
  .regex(/^[-+( ]?[$#]?,?(\.\d{1,2})?~?[a-z%]?$/i, 'a format of numbers as d3 has them, such as .2f')
  .optional();

/** Curves of one or many runs over epochs, steps or widths. */
export const curvesFigure = z.object({
  /** Curves of one or many runs over epochs, steps or widths. */
  type: z.literal('curves'),
  ...heading,
  /** The horizontal axis. */
  x: z.object({
    /** What it is. */
    label: z.string().min(1),
    /** Whether it is logarithmic. */
    log: z.boolean().optional(),
  }),
  /** The vertical axis. */
  y: z.object({
    /** What it is. */
    label: z.string().min(1),
    /** Whether it is logarithmic. */
    log: z.boolean().optional(),
    /** How its numbers are written: a format of d3, such as `.2f`. */
    format,
  }),
  /**
   * `mean`: a colour a series; thin lines for the runs, with their mean and a band of one standard deviation around it.
   * `each`: a colour a run, dashes for the series. A single run looks the same in both.
   */
  show: z.enum(['mean', 'each']).default('mean'),
  /** The curves. */
  lines: z
    .array(
      z.object({
        /** Tells several trainings apart, such as `seed 1`. */
        run: z.string(),
        /** What is measured, such as `training`. */
        series: z.string(),
        /** Places on the horizontal axis. */
        x: z.array(z.number()),
        /** The value at each place. */
        y: z.array(value),
        /** Standard deviation of each y, where it is a mean itself: drawn as error bars. */
        sd: z.array(value).optional(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
  /** Dashed rules at published figures, in the colour of their series. */
  published: z
    .array(
      z.object({
        /** The series that it is of. */
        series: z.string(),
        /** The figure. */
        value: z.number(),
      }),
    )
    .max(MAX_ITEMS)
    .optional(),
});

/** How often samples of one class were taken for another, as a heat map. */
export const confusionFigure = z
  .object({
    /** How often samples of one class were taken for another. */
    type: z.literal('confusion'),
    ...heading,
    /** Names of the classes. */
    classes: z.array(z.string()).min(2).max(100),
    /** `counts[row][column]`. Percentages and colours are shares of the row. */
    counts: z.array(z.array(z.number().nonnegative())),
    /** What the rows are. */
    rows: z.string().default('true class'),
    /** What the columns are. */
    columns: z.string().default('predicted class'),
  })
  .refine(
    ({ classes, counts }) => counts.length === classes.length && counts.every((row) => row.length === classes.length),
    { message: 'counts must have a row and a column for each class', path: ['counts'] },
  );

/** Bars in groups: categories along the axis, and within each a bar a group. */
export const barsFigure = z.object({
  /** Bars in groups. */
  type: z.literal('bars'),
  ...heading,
  /** The axis of the categories. */
  x: z.object({
    /** What it is. */
    label: z.string().min(1),
  }),
  /** The axis of the values. */
  y: z.object({
    /** What it is. */
    label: z.string().min(1),
    /** How its numbers are written: a format of d3, such as `.2f`. */
    format,
  }),
  /** Whether the bars lie, a line each: for many categories with long names. */
  horizontal: z.boolean().optional(),
  /** Every group that there could be, in the order of the colours: a legend then names them all, whichever of them have a bar. */
  groups: z.array(z.string()).optional(),
  /** The bars. */
  bars: z
    .array(
      z.object({
        /** Its place along the axis. */
        category: z.string(),
        /** Its color; '' where there is one group. */
        group: z.string(),
        /** Its length. */
        value,
        /** Standard deviation of the value, where it is a mean: drawn as an error bar. */
        sd: value.optional(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
});

/** How many values lie in each interval. */
export const histogramFigure = z.object({
  /** How many values lie in each interval. */
  type: z.literal('histogram'),
  ...heading,
  /** The axis of the values. */
  x: z.object({
    /** What it is. */
    label: z.string().min(1),
  }),
  /** The axis of the counts. */
  y: z.object({
    /** What it is. */
    label: z.string().min(1),
  }),
  /** The intervals in order. */
  bins: z
    .array(
      z.object({
        /** Least value. */
        from: z.number(),
        /** Least value of the next interval. */
        to: z.number(),
        /** How many values lie in it. */
        count: z.number().nonnegative(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
});

/** Small images side by side, each with its caption; `imageFrom...` in images.ts makes them. */
export const imagesFigure = z.object({
  /** Small images side by side, each with its caption. */
  type: z.literal('images'),
  ...heading,
  /** Images a row; as many as fit, if left out. */
  columns: z.number().int().positive().optional(),
  /** The weight that has the full colour of a diverging scale, for its legend. */
  limit: z.number().positive().optional(),
  /** The images. */
  images: z
    .array(
      z
        .object({
          /** A line below it. */
          caption: z.string().default(''),
          /** Pixels from left to right. */
          width: z.number().int().positive().max(4096),
          /** Pixels from top to bottom. */
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
    .max(MAX_ITEMS),
});

const shape = z.array(z.number().int().nonnegative());

/** Boxes and arrows: what feeds what in a model. */
export const modelFigure = z.object({
  /** Boxes and arrows: what feeds what in a model. */
  type: z.literal('model'),
  ...heading,
  /** Shape of one sample, without the batch. */
  inputShape: shape,
  /** The layers, a box a use. */
  layers: z
    .array(
      z.object({
        /** Name of the layer in the model. */
        name: z.string().min(1),
        /** Keras's name of its class. */
        kind: z.string(),
        /** Names of the layers that feed it; '' is the model's input, as is an empty list. */
        inbound: z.array(z.string()),
        /** Shape of one sample of its output. */
        outputShape: shape,
        /** Values in its weights. */
        parameters: z.number().int().nonnegative(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
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

/**
 * What is drawn, as plain data: curves, a confusion matrix, bars, ... What has a default may be left out.
 * @useDeclaredType
 */
export type Figure = z.input<typeof figure>;
export type FigureOf<T extends Figure['type']> = Extract<z.output<typeof figure>, { type: T }>;
/**
 * A box of the drawing of a model.
 * @inline
 * @useDeclaredType
 */
export type ModelLayer = FigureOf<'model'>['layers'][number];

function bytesIn(base64: string): number {
  return (base64.length / 4) * 3 - (base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0);
}
