import { z } from 'zod';
import { heading, value } from './heading.ts';

// Figures of a search: the values and scores of its trials.

const direction = z.enum(['min', 'max']);

/** An axis of a hyperparameter, with numbers or names. */
const axis = z.discriminatedUnion('kind', [
  z
    .object({
      /** An axis of numbers. */
      kind: z.literal('number'),
      /** Its label. */
      label: z.string().min(1),
      /** Whether it is logarithmic. */
      log: z.boolean().default(false),
      /** Its smallest value. */
      min: z.number(),
      /** Its largest value. */
      max: z.number(),
      /** All its values, if they are few. */
      ticks: z.array(z.number()).max(20).optional(),
    })
    .refine(({ log, min, max }) => min <= max && (!log || min > 0), {
      message: 'min must not be above max, and must be above 0 for a logarithmic axis',
      path: ['min'],
    }),
  z.object({
    /** An axis of names. */
    kind: z.literal('names'),
    /** Its label. */
    label: z.string().min(1),
    /** The names in order. */
    names: z.array(z.string()).min(1).max(200),
  }),
]);
export type SearchAxis = z.output<typeof axis>;

/** A trial's value on an axis; null if it has none. */
const place = z.union([z.number(), z.string()]).nullable();
/** Number and score of a trial. */
const trial = {
  /** Number of the trial. */
  trial: z.number().int().nonnegative(),
  /** Its score; null if it failed. */
  score: value,
};

/** The objective of a search. */
const objective = z.object({
  /** Its label. */
  label: z.string().min(1),
  /** Whether less or more of it is better. */
  direction,
});

/** Maximum number of drawn trials: more could not be followed. */
export const MAX_TRIALS = 400;
const MAX_AXES = 40;

/** Parallel coordinates: an axis for each hyperparameter, a line for each trial. */
export const parallelFigure = z
  .object({
    /** Parallel coordinates: an axis for each hyperparameter, a line for each trial. */
    type: z.literal('parallel'),
    ...heading,
    /** The objective of the search. */
    objective,
    /** The hyperparameters. */
    axes: z.array(axis).min(1).max(MAX_AXES),
    /** The trials. */
    lines: z
      .array(
        z.object({
          ...trial,
          /** A value for each axis; null if the trial has none. */
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

/** The score against each hyperparameter, in a panel for each. */
export const panelsFigure = z.object({
  /** The score against each hyperparameter, in a panel for each. */
  type: z.literal('panels'),
  ...heading,
  /** The objective of the search. */
  objective,
  /** The panels. */
  panels: z
    .array(
      z.object({
        /** The hyperparameter. */
        axis,
        /** Text next to its name. */
        note: z.string().default(''),
        /** The trials. */
        points: z
          .array(
            z.object({
              ...trial,
              /** Its value of the hyperparameter; null if it has none. */
              value: place,
            }),
          )
          .max(MAX_TRIALS),
      }),
    )
    .min(1)
    .max(MAX_AXES),
});

/** A metric of each trial over its epochs, in the color of its score. */
export const trialsFigure = z.object({
  /** A metric of each trial over its epochs. */
  type: z.literal('trials'),
  ...heading,
  /** The objective of the search. */
  objective,
  /** The horizontal axis. */
  x: z.object({
    /** Its label. */
    label: z.string().min(1),
  }),
  /** The vertical axis. */
  y: z.object({
    /** Its label. */
    label: z.string().min(1),
  }),
  /** The trials. */
  lines: z
    .array(
      z.object({
        ...trial,
        /** Its epochs. */
        x: z.array(z.number()),
        /** The metric after each epoch. */
        y: z.array(value),
        /** The trial that it continues. */
        before: z.number().int().nonnegative().optional(),
      }),
    )
    .min(1)
    .max(MAX_TRIALS),
});

/** Successive halving: which configurations continued, and how far. */
export const bracketsFigure = z.object({
  /** Successive halving: which configurations continued, and how far. */
  type: z.literal('brackets'),
  ...heading,
  /** The objective of the search. */
  objective,
  /** The brackets. */
  brackets: z
    .array(
      z.object({
        /** Its label. */
        label: z.string().min(1),
        /** The configurations, each with its trials in order. */
        configurations: z
          .array(
            z
              .array(
                z.object({
                  ...trial,
                  /** Number of epochs that were trained before. */
                  from: z.number().nonnegative(),
                  /** The last epoch that it trained. */
                  to: z.number().nonnegative(),
                  /** The planned last epoch of the round. */
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
