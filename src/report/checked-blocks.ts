import type { z } from 'zod';
import { checkOptions, checkText, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import * as blocks from './blocks.ts';
import {
  type BlockInput,
  block,
  type Cell,
  type ComparisonInput,
  comparisonRow,
  type Section,
  section as sectionSchema,
} from './content.ts';
import { firstIssue } from './issue.ts';
import type { Training } from './training.ts';

// The parts of a report for users' programs: those of blocks.ts, checked when they are created, so that errors have the right stack.

/** Returns a part in the form in which JSON holds it. @throws ArgumentError if it is invalid */
function checkBlock<T extends z.ZodType>(subject: string, schema: T, create: () => unknown): z.input<T> {
  const created = tryRead(subject, () => {
    try {
      return JSON.parse(JSON.stringify(create()) ?? 'null') as unknown; // NaN and Infinity become null
    } catch (cause) {
      if (cause instanceof ArgumentError) throw cause;
      throw new ArgumentError(`${subject}: a report cannot hold this: ${(cause as Error).message}`, { cause });
    }
  });
  const { success, error } = schema.safeParse(created);
  if (!success) throw new ArgumentError(`${subject}: a report cannot hold this: ${firstIssue(error)}`);
  return created as z.input<T>;
}

/**
 * A section of a report: its title, and drawings (`plotHistory(history)`), blocks (`table(...)`) or texts, each a paragraph.
 * @throws ArgumentError for any other part
 */
export function section(title: string, ...parts: readonly blocks.SectionPart[]): Section {
  const isPart = (part: unknown) => typeof part === 'string' || (typeof part === 'object' && part !== null);
  const invalid = parts.findIndex((part) => !isPart(part));
  if (invalid >= 0) {
    throw new ArgumentError(
      `section: takes a title, then drawings, blocks or texts, but part ${invalid + 1} is ${formatValue(parts[invalid])}`,
    );
  }
  return checkBlock('section', sectionSchema, () => blocks.section(title, ...parts));
}

/** A smaller heading within a section. @throws ArgumentError unless it is text */
export const heading = (text: string): BlockInput => checkBlock('heading', block, () => blocks.heading(text));

/** Text whose line breaks and columns matter, such as `model.summary()`. @throws ArgumentError unless it is text */
export const preformatted = (text: string): BlockInput =>
  checkBlock('preformatted', block, () => blocks.preformatted(text));

/** A table: names of the columns, and rows of texts, numbers and null. @throws ArgumentError */
export const table = (head: readonly string[], rows: readonly (readonly Cell[])[], caption = ''): BlockInput =>
  checkBlock('table', block, () => blocks.table(head as string[], rows as Cell[][], caption));

/**
 * Values, next to published ones if there are any, with their differences: rows of `measuredRow`.
 * @throws ArgumentError
 */
export const compare = (rows: readonly ComparisonInput[], caption = ''): BlockInput =>
  checkBlock('compare', block, () => ({ type: 'comparison', caption, rows }));

/** Options of `measuredRow`. */
export interface MeasuredRowOptions {
  /** Unit; default: `accuracy`, a fraction whose difference is shown in points. Others are compared as numbers. */
  unit?: 'accuracy' | 'number' | 'count' | 'seconds';
  /** The reason for a difference. */
  why?: string;
}

/**
 * A row of `compare`: the mean of our values, with their standard deviation if there are several.
 * @param published a number, words such as `0.01 to 0.04`, or null if nothing was published
 * @throws ArgumentError
 */
export function measuredRow(
  label: string,
  published: number | string | null,
  ours: readonly number[],
  options: MeasuredRowOptions = {},
): ComparisonInput {
  checkOptions('measuredRow', options, { unit: true, why: true });
  const values = readList('measuredRow', ours);
  if (!values || values.length === 0 || !values.every((value) => typeof value === 'number')) {
    throw new ArgumentError(
      `measuredRow: our values must be a list of numbers, at least one, but are ${formatValue(ours)}`,
    );
  }
  return checkBlock('measuredRow', comparisonRow, () =>
    blocks.measuredRow(label, published, values as number[], options),
  );
}

/** A metric of the last epoch of each model of an experiment's training; NaN for a model without it. @throws ArgumentError */
export function lastFigures(training: Pick<Training, 'histories'>, name = 'accuracy'): number[] {
  checkTraining('lastFigures', training, 'histories', name);
  return training.histories.map((epochs) => epochs.at(-1)?.[name] ?? Number.NaN);
}

/** A metric on the test data of each model of an experiment's training, after its last epoch. @throws ArgumentError */
export function testFigures(training: Pick<Training, 'evaluations'>, name = 'accuracy'): number[] {
  checkTraining('testFigures', training, 'evaluations', name);
  return training.evaluations.map((metrics) => metrics[name] ?? Number.NaN);
}

function checkTraining(subject: string, training: object, list: 'histories' | 'evaluations', name: string): void {
  const given = tryRead(subject, () => readList(subject, (training as Partial<Training> | null)?.[list]));
  const isEntry = (entry: unknown) =>
    list === 'histories' ? Array.isArray(entry) : typeof entry === 'object' && entry !== null;
  if (!given?.every(isEntry)) {
    throw new ArgumentError(
      `${subject}: takes what context.train(name, spec) returned, but was given ${formatValue(training)}`,
    );
  }
  checkText(`${subject}: the name of a metric`, name);
}
