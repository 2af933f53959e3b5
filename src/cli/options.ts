import { isF32, nearName } from '../base/check.ts';
import { ArgumentError, UsageError } from '../base/errors.ts';
import { parseAddress } from '../jobs/address.ts';
import type { Scale } from './experiment.ts';

/** Options of `tilegrad run`. Omitted ones take the experiments' settings. */
export interface RunOptions {
  scale?: Scale;
  epochs?: number;
  batchSize?: number;
  learningRate?: number;
  seed?: number;
  replicas?: number;
  data?: string;
  limit?: number;
  /** Variations to run at the short scale in a run at the full one, separated by commas. */
  short?: string;
  out: string;
  /** The run to resume: its folder, or `true` for the newest that is not finished. */
  resume?: string | true;
  /** Resume a user's experiment although its file has changed. */
  acceptChanges?: boolean;
  /** The queue whose workers do the trainings: `redis://HOST`. */
  workers?: string;
  /** Show where a training step spends its time. */
  profile?: boolean;
  json?: boolean;
}

/** Seeds are keys of a counter-based generator of 32 bits. */
export const MAX_SEED = 2 ** 32 - 1;

/** Limit of the epochs of a training: run.json holds each of them and is written after each. */
export const MAX_EPOCHS = 100_000;

/** Limit of the images of a training step: more than any data set has. */
export const MAX_BATCH_SIZE = 65_536;

/** Limit of the models of a training, which are all on the device at once: a larger number is a typing error. */
export const MAX_REPLICAS = 1000;

/** Returns a parser for Commander that accepts whole numbers from `min` to `max` in digits only: not `1e3` or `0x10`. */
export function integerParser(option: string, min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
    throw new UsageError(`${option} takes a whole number ${range}, but was given "${text}"`);
  };
}

/** Returns a parser for Commander that accepts numbers above zero, with or without an exponent. */
export function positiveNumberParser(option: string): (text: string) => number {
  return (text) => {
    const value = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && Number.isFinite(value)) return value;
    throw new UsageError(`${option} takes a number above 0, but was given "${text}"`);
  };
}

/** Parses `--lr`. @throws UsageError for a rate that is 0 or infinite as the 32-bit float of the kernels */
export function parseLearningRate(text: string): number {
  const rate = positiveNumberParser('--lr')(text);
  if (isF32(rate)) return rate;
  throw new UsageError(`--lr takes a 32-bit float, a number from 1.2e-38 to 3.4e38, but was given "${text}"`);
}

/** Returns a parser for Commander that accepts one of some words. */
export function wordParser<T extends string>(option: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new UsageError(`${option} takes ${words.join(', ')}, but was given "${text}"`);
  };
}

/** Returns a parser for Commander that accepts one of some numbers, also `1.0` for 1. */
export function numberChoiceParser(option: string, numbers: readonly number[]): (text: string) => number {
  return (text) => {
    const found = numbers.find((number) => /^[\d.]+$/.test(text) && number === Number(text));
    if (found !== undefined) return found;
    throw new UsageError(`${option} takes ${numbers.join(', ')}, but was given "${text}"`);
  };
}

export const parseSeed = integerParser('--seed', 0, MAX_SEED);

/** Returns the known name that equals `given` in any case. @throws UsageError that lists the known names */
export function findName<T extends string>(kind: string, given: string, known: readonly T[], hint: string): T {
  const found = known.find((name) => name.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  const near = nearName(given, known);
  throw new UsageError(
    `unknown ${kind} "${given}"${near === undefined ? '.' : `; did you mean ${near}?`} There ${known.length === 1 ? 'is' : 'are'}: ${known.join(', ')}. ${hint}`,
  );
}

/**
 * Returns a parser for Commander that accepts a path. An empty one, from an unset variable for example, would mean the current folder.
 * @param argument name of the option or argument, for messages
 */
export function pathParser(argument: string): (text: string) => string {
  return (text) => {
    if (text.trim() !== '') return text;
    const orNot = argument.startsWith('--') ? ', or leave the option out' : '';
    throw new UsageError(`${argument} takes a path, but was given "${text}"; name a folder${orNot}`);
  };
}

/** Returns a parser for an argument of several paths. */
export const pathsParser =
  (argument: string) =>
  (text: string, before: readonly string[] = []): string[] => [...before, pathParser(argument)(text)];

/** Returns a parser for the address of a queue. Its messages do not contain the password. */
export const queueAddressParser =
  (argument: string) =>
  (text: string): string => {
    try {
      parseAddress(text, {});
      return text;
    } catch (error) {
      if (error instanceof ArgumentError) throw new UsageError(`${argument}: ${error.message}`);
      throw error;
    }
  };
