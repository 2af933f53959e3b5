import { join } from 'node:path';
import { version } from '../../package.json';
import { cacheDir, findCacheDir } from '../base/cache-dir.ts';
import { checkFunction, checkOptions, checkText, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import { checkSeconds } from '../gpu/timing.ts';
import { areRulesMeasured } from '../kernels/choice.ts';
import type { Problem } from './bench.ts';
import type { TuningCache } from './cache.ts';
import { type SessionOptions, type Tuned, tuneProblems } from './session.ts';

/** Options of `loadTuning` and `tune`. */
export interface TuningOptions {
  /** Folder of the cache files. Default: `tuning` in tilegrad's cache folder. */
  folder?: string;
  /** Called with one sentence if the cache file is unusable. Default none. */
  warn?: (message: string) => void;
}
const names: OptionNames<TuningOptions> = { folder: true, warn: true };

/** @throws ArgumentError for options of the wrong kind */
function checkTuning(subject: string, { folder, warn }: TuningOptions): void {
  if (folder !== undefined) checkText(`${subject}: folder`, folder);
  if (warn !== undefined) checkFunction(`${subject}: warn`, warn);
}

/** Tuning results that a device uses. */
export interface Tuning {
  /** Path of the cache file for this adapter, driver and version of tilegrad; it need not exist. Null if there is no cache folder. */
  path: string | null;
  /** Number of operators and sizes with measurements; rules select the kernels of the others. */
  measured: number;
  /** Hash of the variants selected for them, to compare with another run. */
  measuredHash: string;
  /** Whether the rules for the others are based on measurements on such adapters. */
  rulesMeasured: boolean;
  /** Variants used on the device so far, by operator and sizes. */
  choices(): Record<string, string>;
  /** Hash of `choices`, default those so far. Together with seed and adapter, they determine every bit of a result. */
  hash(choices?: Readonly<Record<string, string>>): string;
}

async function openCache(device: Device, folder: string, { warn = () => {} }: TuningOptions): Promise<TuningCache> {
  const { TuningCache, identityOf } = await import('./cache.ts');
  return new TuningCache(folder, identityOf(device.info, version), warn);
}

const folderIn = (cache: string) => join(cache, 'tuning');

/** Folder to read from; null if there is no cache folder. */
function folderToRead({ folder, warn = () => {} }: TuningOptions): string | null {
  if (folder !== undefined) return folder;
  const cache = findCacheDir(warn);
  return cache === null ? null : folderIn(cache);
}

/**
 * Loads the measurements of `tilegrad tune` (or `tune`) for this adapter: the device then runs the fastest measured
 * kernels. Call it before anything is recorded, or the same seed may give other bits. Without a cache file nothing changes.
 * @throws ArgumentError for an unknown option
 */
export async function loadTuning(device: Device, options: TuningOptions = {}): Promise<Tuning> {
  checkDevice('loadTuning', device);
  checkOptions('loadTuning', options, names);
  checkTuning('loadTuning', options);
  const { choicesHash } = await import('./cache.ts');
  const folder = folderToRead(options);
  const cache = folder === null ? null : await openCache(device, folder, options);
  const choices: ReadonlyMap<string, string> = cache?.choices() ?? new Map();
  for (const [key, variant] of choices) device.choices.tuned.set(key, variant);
  const rulesMeasured = areRulesMeasured(device.info);
  const { size: measured } = choices;
  const used = () => Object.fromEntries([...device.choices.used].map(([key, { variant }]) => [key, variant]));
  return {
    ...{ path: cache?.path ?? null, measured, measuredHash: choicesHash(choices), rulesMeasured },
    choices: used,
    hash: (choices = used()) => choicesHash(Object.entries(choices)),
  };
}

/**
 * Measures the kernels that support these problems (see `problemsOf`), uses the fastest from now on, and writes each result to the
 * cache at once, so that an interruption loses nothing.
 * @throws FileError if there is no cache folder or it cannot be written; ArgumentError if the clock is too coarse for `seconds`;
 *   ShaderError, OutOfMemoryError at the end, for the first problem that could not be measured, if there is no `onFailed`
 */
export async function tune(
  device: Device,
  problems: readonly Problem[],
  options: SessionOptions & TuningOptions = {},
): Promise<Tuned[]> {
  checkDevice('tune', device, 'tune(device, problemsOf(model, batchSize))');
  checkOptions('tune', options, { ...names, seconds: true, signal: true, onTuned: true, onFailed: true });
  checkTuning('tune', options);
  if (!readList('tune', problems))
    throw new ArgumentError(`tune: takes what problemsOf returns, but was given ${formatValue(problems)}`);
  const { seconds, onTuned, onFailed } = options;
  if (seconds !== undefined) checkSeconds('tune', seconds);
  if (onTuned !== undefined) checkFunction('tune: onTuned', onTuned);
  if (onFailed !== undefined) checkFunction('tune: onFailed', onFailed);
  const cache = await openCache(device, options.folder ?? folderIn(cacheDir()), options);
  return tuneProblems(device, problems, {
    ...options,
    onTuned(tuned, progress) {
      cache.save([tuned]);
      options.onTuned?.(tuned, progress);
    },
  });
}
