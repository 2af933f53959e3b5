import { z } from 'zod';
import { heading, value } from './heading.ts';

// Figures of a search: what its trials had, and what came of them.

const direction = z.enum(['min', 'max']);

/** An axis of a hyperparameter: of numbers, or of names one beside the other. */
const axis = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('number'),
      label: z.string().min(1),
      log: z.boolean().default(false),
      min: z.number(),
      max: z.number(),
      /** The only values it has, where these are few. */
      ticks: z.array(z.number()).max(20).optional(),
    })
    .refine(({ log, min, max }) => min <= max && (!log || min > 0), {
      message: 'min must not be above max, nor 0 or less of a logarithmic axis',
      path: ['min'],
    }),
  z.object({ kind: z.literal('names'), label: z.string().min(1), names: z.array(z.string()).min(1).max(200) }),
]);
export type SearchAxis = z.output<typeof axis>;

/** A trial's value on an axis; null where it has none. */
const place = z.union([z.number(), z.string()]).nullable();
/** A trial by its number, with what came of it; null of one that failed. */
const trial = { trial: z.number().int().nonnegative(), score: value };

/** What the objective is called, and whether more of it is better. */
const objective = z.object({ label: z.string().min(1), direction });

/** More trials than this are not drawn: no eye could follow them. */
export const MOST_TRIALS = 400;
const MOST_AXES = 40;

/** Parallel coordinates: an axis a hyperparameter, below each other, a line a trial. */
export const parallelFigure = z
  .object({
    type: z.literal('parallel'),
    ...heading,
    objective,
    axes: z.array(axis).min(1).max(MOST_AXES),
    /** A value an axis. */
    lines: z
      .array(z.object({ ...trial, values: z.array(place).max(MOST_AXES) }))
      .min(1)
      .max(MOST_TRIALS),
  })
  .refine(({ axes, lines }) => lines.every(({ values }) => values.length === axes.length), {
    message: 'must have a value for each axis',
    path: ['lines'],
  });

/** The score against each hyperparameter, a panel each. */
export const panelsFigure = z.object({
  type: z.literal('panels'),
  ...heading,
  objective,
  panels: z
    .array(
      z.object({
        axis,
        /** Beside its name. */
        note: z.string().default(''),
        points: z.array(z.object({ ...trial, value: place })).max(MOST_TRIALS),
      }),
    )
    .min(1)
    .max(MOST_AXES),
});

/** A figure of each trial over its epochs, in the colour of its score. */
export const trialsFigure = z.object({
  type: z.literal('trials'),
  ...heading,
  objective,
  x: z.object({ label: z.string().min(1) }),
  y: z.object({ label: z.string().min(1) }),
  lines: z
    .array(
      z.object({
        ...trial,
        x: z.array(z.number()),
        y: z.array(value),
        /** The trial that it went on from. */
        before: z.number().int().nonnegative().optional(),
      }),
    )
    .min(1)
    .max(MOST_TRIALS),
});

/** Successive halving: which configurations went on, and how far. */
export const bracketsFigure = z.object({
  type: z.literal('brackets'),
  ...heading,
  objective,
  brackets: z
    .array(
      z.object({
        label: z.string().min(1),
        configurations: z
          .array(
            z
              .array(
                z.object({
                  ...trial,
                  from: z.number().nonnegative(),
                  to: z.number().nonnegative(),
                  /** Where the round was to end, if it was not stopped before. */
                  planned: z.number().positive().optional(),
                }),
              )
              .min(1)
              .max(20),
          )
          .min(1)
          .max(MOST_TRIALS),
      }),
    )
    .min(1)
    .max(20),
});
