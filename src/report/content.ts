import { z } from 'zod';
import { figure, MAX_ITEMS } from './figures/schema.ts';

/** A measured value; NaN and Infinity are written as `null`. */
const measuredValue = z.number().nullable();

/** A published value and ours. */
export const comparisonRow = z.object({
  /** Name of the compared value. */
  label: z.string(),
  /** The published number, words such as `0.01 to 0.04`, or `null` if nothing was published. */
  published: z.union([z.number(), z.string()]).nullable(),
  /** The mean of the measured values. */
  ours: measuredValue,
  /** Sample standard deviation over `runs`. */
  sd: measuredValue.optional(),
  /** Number of measurements of the mean. */
  runs: z.number().int().positive().optional(),
  /** `accuracy`: a fraction, compared in points. Others are compared as they are. */
  unit: z.enum(['accuracy', 'number', 'count', 'seconds']).default('accuracy'),
  /** The reason for a difference. */
  why: z.string().optional(),
  /** False for a quick run on few images or a sample, whose difference from the published value does not indicate an error. */
  likeForLike: z.boolean().optional(),
});

const cell = z.union([z.string(), z.number()]).nullable();

/** A block of a section. */
export const block = z.discriminatedUnion('type', [
  z.object({
    /** Plain text, not HTML. */
    type: z.literal('text'),
    /** A paragraph. */
    text: z.string(),
  }),
  z.object({
    /** A heading below the section's own. */
    type: z.literal('heading'),
    /** A line. */
    text: z.string(),
  }),
  z.object({
    /** Text whose line breaks and columns matter, such as a model's summary. */
    type: z.literal('preformatted'),
    /** The lines. */
    text: z.string(),
  }),
  z.object({
    /** A drawing. */
    type: z.literal('figure'),
    /** The figure to draw. */
    figure,
    /** Text below it. */
    caption: z.string().optional(),
  }),
  z.object({
    /** Published values next to ours. */
    type: z.literal('comparison'),
    /** Text above it. */
    caption: z.string().default(''),
    /** The rows. */
    rows: z.array(comparisonRow).min(1).max(1000),
  }),
  z.object({
    /** A table. */
    type: z.literal('table'),
    /** Text above it. */
    caption: z.string().default(''),
    /** Names of the columns. */
    head: z.array(z.string()).min(1).max(100),
    /** The rows, a cell for each column. */
    rows: z.array(z.array(cell)).max(MAX_ITEMS),
    /** Whether a reader of the page can sort the rows by any column; at first, they have the given order. */
    sortable: z.boolean().optional(),
  }),
]);

export const section = z.object({
  /** Heading of the section. */
  title: z.string(),
  /** Its blocks, in order. */
  blocks: z.array(block),
});

/** How to repeat the run. */
export const provenance = z.object({
  seeds: z.array(z.number().int().nonnegative()),
  adapter: z.object({ name: z.string(), vendor: z.string(), driver: z.string(), isSoftware: z.boolean() }),
  versions: z.record(z.string(), z.string()),
  /** `null` if it is unknown. */
  startedAt: z.string().nullable(),
  /** `null` while it is not finished. */
  seconds: z.number().nullable(),
  command: z.string(),
  /** Other settings, such as the data and the optimizer, as text by name. */
  settings: z.record(z.string(), z.string()).default({}),
});

/**
 * The content of a report as plain data. An experiment creates it, `report.json` stores it, and the page, the figures and the terminal text
 * depend on it alone. `schemaVersion` is increased when a field changes its meaning or is removed.
 */
export const reportContent = z.object({
  kind: z.literal('tilegrad-report'),
  schemaVersion: z.literal(1),
  /** The experiment, such as `A1`. */
  id: z.string(),
  title: z.string(),
  status: z.enum(['running', 'finished', 'interrupted', 'failed']),
  /** The question, as paragraphs. */
  question: z.array(z.string()).min(1),
  /** Differences from the original, in words; empty if there are none. */
  reduced: z.array(z.string()),
  /** Problems that make the results meaningless, such as a loss that became NaN. */
  warnings: z.array(z.string()).default([]),
  sections: z.array(section),
  provenance: z.array(provenance).min(1),
});

/** A report as programs write it: fields with defaults may be missing. */
export type ReportContent = z.input<typeof reportContent>;
export type Report = z.output<typeof reportContent>;
export type Block = z.output<typeof block>;
/**
 * A block of a section of a report: a text, a figure, a table, ... Functions such as `table` and `heading` create blocks.
 * @useDeclaredType
 */
export type BlockInput = z.input<typeof block>;
export type ComparisonRow = z.output<typeof comparisonRow>;
/**
 * A published value and ours, as `measuredRow` creates it.
 * @interface
 */
export type ComparisonInput = z.input<typeof comparisonRow>;
/**
 * A section of a report, as `section` creates it.
 * @interface
 */
export type Section = z.input<typeof section>;
export type Provenance = z.output<typeof provenance>;
/**
 * A cell of a table.
 * @useDeclaredType
 */
export type Cell = z.infer<typeof cell>;
