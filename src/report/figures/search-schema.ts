import { z } from 'zod';
import { heading, value } from './heading.ts';

// Figures of a search: what its trials had, and what came of them.

const direction = z.enum(['min', 'max']);

/** An axis of a hyperparameter: of numbers, or of names one beside the other. */
const axis = z.discriminatedUnion('kind', [
  z
    .object({
      /** An axis of numbers. */
      kind: z.literal('number'),
      /** What it is. */
      label: z.string().min(1),
      /** Whether it is logarithmic. */
      log: z.boolean().default(false),
      /** Where it begins. */
      min: z.number(),
      /** Where it ends. */
      max: z.number(),
      /** The only values it has, where these are few. */
      ticks: z.array(z.number()).max(20).optional(),
    })
    .refine(({ log, min, max }) => min <= max && (!log || min > 0), {
      message: 'min must not be above max, nor 0 or less of a logarithmic axis',
      path: ['min'],
    }),
  z.object({
    /** An axis of names. */
    kind: z.literal('names'),
    /** What it is. */
    label: z.string().min(1),
    /** The names in order. */
    names: z.array(z.string()).min(1).max(200),
  }),
]);
export type SearchAxis = z.output<typeof axis>;

/** A trial's value on an axis; null where it has none. */
const place = z.union([z.number(), z.string()]).nullable();
/** A trial by its number, with what came of it; null of one that failed. */
const trial = {
  /** Number of the trial. */
  trial: z.number().int().nonnegative(),
  /** What came of it; null of one that failed. */
  score: value,
};

/** What the objective is called, and whether more of it is better. */
const objective = z.object({
  /** What it is called. */
  label: z.string().min(1),
  /** Whether less or more of it is better. */
  direction,
});

/** More trials than this are not drawn: no eye could follow them. */
export const MAX_TRIALS = 400;
const MAX_AXES = 40;

/** Parallel coordinates: an axis a hyperparameter, below each other, a line a trial. */
export const parallelFigure = z
  .object({
    /** Parallel coordinates: an axis a hyperparameter, a line a trial. */
    type: z.literal('parallel'),
    ...heading,
    /** What the search went by. */
    objective,
    /** The hyperparameters. */
    axes: z.array(axis).min(1).max(MAX_AXES),
    /** The trials. */
    lines: z
      .array(
        z.object({
          ...trial,
          /** A value an axis; null where the trial has none. */
          values: z.array(place).max(MAX_AXES),
        }),
      )
      .min(1)
      .max(MAX_TRIALS),
  })
  .refine(({ axes, lines }) => lines.every(({ values }) => values.length === axes.length), {
    message: 'must have a value for each axis',
    path: ['lines'],
  });

/** The score against each hyperparameter, a panel each. */
export const panelsFigure = z.object({
  /** The score against each hyperparameter, a panel each. */
  type: z.literal('panels'),
  ...heading,
  /** What the search went by. */
  objective,
  /** The panels. */
  panels: z
    .array(
      z.object({
        /** The hyperparameter. */
        axis,
        /** Beside its name. */
        note: z.string().default(''),
        /** The trials. */
        points: z
          .array(
            z.object({
              ...trial,
              /** Its value of the hyperparameter; null where it has none. */
              value: place,
            }),
          )
          .max(MAX_TRIALS),
      }),
    )
    .min(1)
    .max(MAX_AXES),
});

/** A figure of each trial over its epochs, in the colour of its score. */
export const trialsFigure = z.object({
  /** A figure of each trial over its epochs. */
  type: z.literal('trials'),
  ...heading,
  /** What the search went by. */
  objective,
  /** The horizontal axis. */
  x: z.object({
    /** What it is. */
    label: z.string().min(1),
  }),
  /** The vertical axis. */
  y: z.object({
    /** What it is. */
    label: z.string().min(1),
  }),
  /** The trials. */
  lines: z
    .array(
      z.object({
        ...trial,
        /** Its epochs. */
        x: z.array(z.number()),
        /** The figure after each of them. */
        y: z.array(value),
        /** The trial that it went on from. */
        before: z.number().int().nonnegative().optional(),
      }),
    )
    .min(1)
    .max(MAX_TRIALS),
});

/** Successive halving: which configurations went on, and how far. */
export const bracketsFigure = z.object({
  /** Successive halving: which configurations went on, and how far. */
  type: z.literal('brackets'),
  ...heading,
  /** What the search went by. */
  objective,
  /** The brackets. */
  brackets: z
    .array(
      z.object({
        /** What it is called. */
        label: z.string().min(1),
        /** The configurations, each with its trials in order. */
        configurations: z
          .array(
            z
              .array(
                z.object({
                  ...trial,
                  /** Epochs that were behind it. */
                  from: z.number().nonnegative(),
                  /** The epoch it trained to. */
                  to: z.number().nonnegative(),
                  /** Where the round was to end, if it was not stopped before. */
                  planned: z.number().positive().optional(),
                }),
              )
              .min(1)
              .max(20),
          )
          .min(1)
          .max(MAX_TRIALS),
      }),
    )
    .min(1)
    .max(20),
});
