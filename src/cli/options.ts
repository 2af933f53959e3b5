import { isF32, nearName } from '../base/check.ts';
import { ArgumentError, UsageError } from '../base/errors.ts';
import { parseAddress } from '../jobs/address.ts';
import type { Scale } from './experiment.ts';

/** What `tilegrad run` was asked for; what is left out takes the rows' own settings. */
export interface RunOptions {
  scale?: Scale;
  epochs?: number;
  batchSize?: number;
  learningRate?: number;
  seed?: number;
  replicas?: number;
  data?: string;
  limit?: number;
  /** Variations to cut to the short scale in a run at the full one, with commas between them. */
  short?: string;
  out: string;
  /** Go on with a run: its folder, or `true` for the newest that is not finished. */
  resume?: string | true;
  /** Go on with a run of an experiment of one's own though its file has changed. */
  acceptChanges?: boolean;
  /** The queue whose workers do the trainings: `redis://HOST`. */
  workers?: string;
  /** Show where a training step spends its time. */
  profile?: boolean;
  json?: boolean;
}

/** Seeds are keys of a counter-based generator of 32 bits. */
export const MAX_SEED = 2 ** 32 - 1;

/** Epochs of a training: run.json holds each, and is written after each. */
export const MAX_EPOCHS = 100_000;

/** Images a training step: more than any data set has. */
export const MAX_BATCH_SIZE = 65_536;

/** Models of a training: all are on the device at once. More than anyone compares is a slip of the fingers. */
export const MAX_REPLICAS = 1000;

/**
 * A parser for commander that takes whole numbers from `least` to `most`, and nothing that only looks like one
 * (`1e3`, `0x10`).
 */
export function integerParser(option: string, min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
    throw new UsageError(`${option} takes a whole number ${range}, but was given "${text}"`);
  };
}

/** A parser for commander that takes numbers above zero, with or without exponent. */
export function positiveNumberParser(option: string): (text: string) => number {
  return (text) => {
    const value = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && Number.isFinite(value)) return value;
    throw new UsageError(`${option} takes a number above 0, but was given "${text}"`);
  };
}

/** Parses `--lr`. @throws UsageError for a rate that kernels, which calculate with 32-bit floats, would take for 0 or infinity */
export function parseLearningRate(text: string): number {
  const rate = positiveNumberParser('--lr')(text);
  if (isF32(rate)) return rate;
  throw new UsageError(`--lr takes a 32-bit float, a number from 1.2e-38 to 3.4e38, but was given "${text}"`);
}

/** A parser for commander that takes one of some words. */
export function wordParser<T extends string>(option: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new UsageError(`${option} takes ${words.join(', ')}, but was given "${text}"`);
  };
}

/** A parser for commander that takes one of some numbers, `1.0` for 1 too. */
export function numberChoiceParser(option: string, numbers: readonly number[]): (text: string) => number {
  return (text) => {
    const found = numbers.find((number) => /^[\d.]+$/.test(text) && number === Number(text));
    if (found !== undefined) return found;
    throw new UsageError(`${option} takes ${numbers.join(', ')}, but was given "${text}"`);
  };
}

export const parseSeed = integerParser('--seed', 0, MAX_SEED);

/** The known name that `given` means (capitals do not matter), or a UsageError that lists what there is. */
export function findName<T extends string>(kind: string, given: string, known: readonly T[], hint: string): T {
  const found = known.find((name) => name.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  const near = nearName(given, known);
  throw new UsageError(
    `unknown ${kind} "${given}"${near === undefined ? '.' : `; did you mean ${near}?`} There ${known.length === 1 ? 'is' : 'are'}: ${known.join(', ')}. ${hint}`,
  );
}

/**
 * A parser for commander that takes a path. An empty one, as of a variable that is not set, would mean the folder one is in.
 * @param argument the option or argument, as messages name it
 */
export function pathParser(argument: string): (text: string) => string {
  return (text) => {
    if (text.trim() !== '') return text;
    const orNot = argument.startsWith('--') ? ', or leave the option out' : '';
    throw new UsageError(`${argument} takes a path, but was given "${text}"; name a folder${orNot}`);
  };
}

/** The same for an argument of several paths. */
export const pathsParser =
  (what: string) =>
  (text: string, before: readonly string[] = []): string[] => [...before, pathParser(what)(text)];

/** A parser for the address of a queue; what is wrong with one is said without its password. */
export const queueAddressParser =
  (what: string) =>
  (text: string): string => {
    try {
      parseAddress(text, {});
      return text;
    } catch (error) {
      if (error instanceof ArgumentError) throw new UsageError(`${what}: ${error.message}`);
      throw error;
    }
  };
