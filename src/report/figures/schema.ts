import { z } from 'zod';
import { heading, value } from './heading.ts';
import { bracketsFigure, panelsFigure, parallelFigure, trialsFigure } from './search-schema.ts';

// The content of figures as plain data. A drawing depends on nothing else, so a report can be drawn again from its JSON alone.

/** Limit of the curves, bars or rows of one block: more than a reader needs, and fewer than the renderers can draw. */
export const MAX_ITEMS = 5000;

/** A number format of d3 without padding: with `.4f`, an accuracy is 0.6022. */
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
    /** Its label. */
    label: z.string().min(1),
    /** Whether it is logarithmic. */
    log: z.boolean().optional(),
  }),
  /** The vertical axis. */
  y: z.object({
    /** Its label. */
    label: z.string().min(1),
    /** Whether it is logarithmic. */
    log: z.boolean().optional(),
    /** How its numbers are written: a format of d3, such as `.2f`. */
    format,
  }),
  /**
   * `mean`: a color for each series; thin lines for the runs, with their mean and a band of one standard deviation.
   * `each`: a color for each run, dashes for the series. A single run looks the same in both.
   */
  show: z.enum(['mean', 'each']).default('mean'),
  /** The curves. */
  lines: z
    .array(
      z.object({
        /** Name of the run, such as `seed 1`. */
        run: z.string(),
        /** Name of the series, such as `training`. */
        series: z.string(),
        /** Positions on the horizontal axis. */
        x: z.array(z.number()),
        /** The value at each position. */
        y: z.array(value),
        /** Standard deviation of each y if it is a mean, drawn as error bars. */
        sd: z.array(value).optional(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
  /** Dashed rules at published values, in the color of their series. */
  published: z
    .array(
      z.object({
        /** The series of the value. */
        series: z.string(),
        /** The value. */
        value: z.number(),
      }),
    )
    .max(MAX_ITEMS)
    .optional(),
});

/** How often samples of one class were predicted as another, as a heat map. */
export const confusionFigure = z
  .object({
    /** How often samples of one class were predicted as another. */
    type: z.literal('confusion'),
    ...heading,
    /** Names of the classes. */
    classes: z.array(z.string()).min(2).max(100),
    /** `counts[row][column]`. Percentages and colors are shares of the row. */
    counts: z.array(z.array(z.number().nonnegative())),
    /** Meaning of the rows. */
    rows: z.string().default('true class'),
    /** Meaning of the columns. */
    columns: z.string().default('predicted class'),
  })
  .refine(
    ({ classes, counts }) => counts.length === classes.length && counts.every((row) => row.length === classes.length),
    { message: 'counts must have a row and a column for each class', path: ['counts'] },
  );

/** Bars in groups: categories along the axis, each with a bar for each group. */
export const barsFigure = z.object({
  /** Bars in groups. */
  type: z.literal('bars'),
  ...heading,
  /** The axis of the categories. */
  x: z.object({
    /** Its label. */
    label: z.string().min(1),
  }),
  /** The axis of the values. */
  y: z.object({
    /** Its label. */
    label: z.string().min(1),
    /** How its numbers are written: a format of d3, such as `.2f`. */
    format,
  }),
  /** Whether the bars are horizontal, for many categories with long names. */
  horizontal: z.boolean().optional(),
  /** All possible groups, in the order of the colors: the legend then also names groups without a bar. */
  groups: z.array(z.string()).optional(),
  /** The bars. */
  bars: z
    .array(
      z.object({
        /** Its position along the axis. */
        category: z.string(),
        /** The group, shown by color; '' if there is one group. */
        group: z.string(),
        /** Its length. */
        value,
        /** Standard deviation of the value if it is a mean, drawn as an error bar. */
        sd: value.optional(),
      }),
    )
    .min(1)
    .max(MAX_ITEMS),
});

/** Number of values in each interval. */
export const histogramFigure = z.object({
  /** Number of values in each interval. */
  type: z.literal('histogram'),
  ...heading,
  /** The axis of the values. */
  x: z.object({
    /** Its label. */
    label: z.string().min(1),
  }),
  /** The axis of the counts. */
  y: z.object({
    /** Its label. */
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
        /** Number of values in the interval. */
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
  /** Images in a row; default: as many as fit. */
  columns: z.number().int().positive().optional(),
  /** The weight that has the full color of a diverging scale, for its legend. */
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

/** The layers of a model and their connections, as boxes and arrows. */
export const modelFigure = z.object({
  /** The layers of a model and their connections, as boxes and arrows. */
  type: z.literal('model'),
  ...heading,
  /** Shape of one sample, without the batch. */
  inputShape: shape,
  /** The layers, a box for each use. */
  layers: z
    .array(
      z.object({
        /** Name of the layer in the model. */
        name: z.string().min(1),
        /** Keras's name of its class. */
        kind: z.string(),
        /** Names of the layers whose outputs are its inputs; '' or an empty list for the model's input. */
        inbound: z.array(z.string()),
        /** Shape of one sample of its output. */
        outputShape: shape,
        /** Number of values in its weights. */
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
 * A figure as plain data: curves, a confusion matrix, bars, ... Fields with a default may be left out.
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
