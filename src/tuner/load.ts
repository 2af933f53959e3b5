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
  /** Where the cache files lie. Default: `tuning` in tilegrad's cache folder. */
  folder?: string;
  /** Told in one sentence when there is a cache file of no use. Default: nobody. */
  warn?: (message: string) => void;
}
const names: OptionNames<TuningOptions> = { folder: true, warn: true };

/** @throws ArgumentError for options of the wrong kind */
function checkTuning(subject: string, { folder, warn }: TuningOptions): void {
  if (folder !== undefined) checkText(`${subject}: folder`, folder);
  if (warn !== undefined) checkFunction(`${subject}: warn`, warn);
}

/** What a device knows of its best kernels. */
export interface Tuning {
  /** The cache file of this adapter, driver and version of tilegrad; it need not exist. Null where there is no cache folder. */
  path: string | null;
  /** Operators and sizes that have been measured; the others go by rule. */
  measured: number;
  /** A hash of what was chosen for them: whether it is the same as another time. */
  measuredHash: string;
  /** Whether the rules for the others rest on measurements made on such adapters, or only on what is known of them. */
  rulesMeasured: boolean;
  /** All choices made on the device so far: the variant by operator and sizes. */
  choices(): Record<string, string>;
  /** A hash of choices; default those so far. With seed and adapter it decides every bit of a result. */
  hash(choices?: Readonly<Record<string, string>>): string;
}

async function openCache(device: Device, folder: string, { warn = () => {} }: TuningOptions): Promise<TuningCache> {
  const { TuningCache, identityOf } = await import('./cache.ts');
  return new TuningCache(folder, identityOf(device.info, version), warn);
}

const folderIn = (cache: string) => join(cache, 'tuning');

/** Null where there is no cache folder, and so nothing to be read. */
function folderToRead({ folder, warn = () => {} }: TuningOptions): string | null {
  if (folder !== undefined) return folder;
  const cache = findCacheDir(warn);
  return cache === null ? null : folderIn(cache);
}

/**
 * Takes over what `tilegrad tune` (or `tune`) measured on this adapter: from now on the fastest kernels run where they are
 * known. Call it before anything is recorded, or the same seed may give other bits. Without a cache file nothing changes.
 * @throws ArgumentError for an option that there is not
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
 * Measures the kernels that serve these problems (see `problemsOf`), uses the fastest from now on, and writes them into the
 * cache one by one, so that an end in the midst loses nothing.
 * @throws FileError when there is no cache folder or it cannot be written; ArgumentError when the clock is too coarse for the seconds given;
 *   ShaderError, OutOfMemoryError at the end, for the first problem that could not be measured, unless `onFailed` takes it
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
