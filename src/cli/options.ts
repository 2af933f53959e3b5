import { UsageError } from '../errors.ts';
import type { Experiment, TrainingSettings } from './experiment.ts';

/** What `tilegrad run` was asked for; a setting left out takes the experiment's own. */
export interface RunOptions extends Partial<TrainingSettings> {
  data?: string;
  limit?: number;
  out: string;
  /** Show where a training step spends its time. */
  profile?: boolean;
  json?: boolean;
}

/** Seeds are keys of a counter-based generator of 32 bits. */
const largestSeed = 2 ** 32 - 1;

/**
 * A parser for commander that takes whole numbers from `least` to `most`, and nothing that only looks like one
 * (`1e3`, `0x10`).
 */
export function wholeNumber(option: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
    throw new UsageError(`${option} takes a whole number ${range}, but was given "${text}"`);
  };
}

/** A parser for commander that takes numbers above zero, with or without exponent. */
export function positiveNumber(option: string): (text: string) => number {
  return (text) => {
    const value = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && Number.isFinite(value)) return value;
    throw new UsageError(`${option} takes a number above 0, but was given "${text}"`);
  };
}

export const parseSeed = wholeNumber('--seed', 0, largestSeed);

/** The experiment's settings with those of the command line over them. */
export function settingsFor(experiment: Experiment, options: RunOptions): TrainingSettings {
  const { epochs, batchSize, learningRate, seed, runs } = { ...experiment.defaults, ...withoutUndefined(options) };
  if (seed + runs - 1 > largestSeed) {
    throw new UsageError(
      `--seed ${seed} with --runs ${runs} goes past the largest seed, ${largestSeed}; use a smaller seed`,
    );
  }
  return { epochs, batchSize, learningRate, seed, runs };
}

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

/** The known name that `given` means (capitals do not matter), or a UsageError that lists what there is. */
export function chooseName<T extends string>(kind: string, given: string, known: readonly T[], hint: string): T {
  const found = known.find((name) => name.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(
    `unknown ${kind} "${given}". There ${known.length === 1 ? 'is' : 'are'}: ${known.join(', ')}. ${hint}`,
  );
}
