import { resolve } from 'node:path';
import { formatValue } from '../base/check.ts';
import { UsageError } from '../base/errors.ts';
import type { Dataset } from '../data/types.ts';
import { count } from '../report/format.ts';
import type { RunRequest } from '../report/run-record.ts';
import { settingName } from '../report/run-report.ts';
import type { Experiment, Reduced, Scale, Settings } from './experiment.ts';
import { MAX_SEED, type RunOptions } from './options.ts';
import type { RunTarget } from './run-target.ts';

/** Returns the options that repeat a run from any folder: with the scale and absolute paths. */
export function requestOf({ id, file }: Pick<RunTarget, 'id' | 'file'>, options: RunOptions, scale: Scale): RunRequest {
  const { seed = 1, epochs, batchSize, learningRate, replicas, limit, short } = options;
  const data = options.data === undefined ? undefined : resolve(options.data);
  return withoutUndefined({ id, scale, seed, epochs, batchSize, learningRate, replicas, limit, short, data, file });
}

/** Returns the variations that a request cuts to the short scale. */
export const shortNames = ({ short }: Pick<RunRequest, 'short'>): string[] => short?.split(',') ?? [];

/** @throws UsageError for a name that is not a variation of any of the experiments, and at another scale than full */
export function checkShort(request: RunRequest, experiments: readonly Experiment[]): void {
  const names = shortNames(request);
  if (names.length === 0) return;
  if (request.scale !== 'full') {
    throw new UsageError(
      `--short ${request.short} is for runs at the full scale, but this one is of scale ${request.scale}; leave the option out`,
    );
  }
  const known = [...new Set(experiments.flatMap(({ variations = [] }) => variations))];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const variationsText = known.length > 0 ? `its variations are ${known.join(', ')}` : 'it has no variations';
  throw new UsageError(
    `--short ${request.short}: ${request.id} has no ${unknown.map(formatValue).join(', ')}; ${variationsText}`,
  );
}

/** Returns `full` with full data sets; `short` with the sample in the repository, which is for a quick look. */
export const defaultScale = (datasets: Iterable<Dataset>): Scale =>
  [...datasets].some(({ source }) => source.kind === 'sample') ? 'short' : 'full';

/** Returns an experiment's settings at the request's scale; options of the command line override them. @throws UsageError */
export function settingsFor(experiment: Experiment, request: RunRequest): Settings {
  const { id, scales } = experiment;
  const { epochs, batchSize, learningRate, replicas, limit, seed } = request;
  const { cut: _, ...reduced }: Reduced<Settings> = request.scale === 'full' ? {} : (scales[request.scale] ?? {});
  const atScale: Settings = { ...scales.full, ...reduced };
  if (learningRate !== undefined && atScale.learningRate === undefined) {
    throw new UsageError(`--lr: the learning rates of ${id} are part of the experiment; leave the option out`);
  }
  const settings: Settings = { ...atScale, ...withoutUndefined({ epochs, batchSize, learningRate, replicas, limit }) };
  if (seed + settings.replicas - 1 > MAX_SEED) {
    throw new UsageError(
      `--seed ${seed} with --replicas ${settings.replicas} exceeds the largest seed, ${MAX_SEED}; use a smaller seed`,
    );
  }
  return settings;
}

/** Limits the batch size to the number of samples: `fit` does the same, as Keras does. */
export function fitBatch(settings: Settings, samples: number): Settings {
  return { ...settings, batchSize: Math.min(settings.batchSize, samples) };
}

/** @throws UsageError for a --limit above the size of every data set: it would have no effect */
export function checkLimit(limit: number | undefined, datasets: Iterable<Dataset>): void {
  const all = [...datasets];
  if (limit === undefined || all.some(({ train }) => limit <= train.size)) return;
  const sizes = all.map(({ name, train, source }) => `${count(train.size)} of ${name} (${source.description})`);
  throw new UsageError(
    `--limit ${limit}: there are fewer training images: ${sizes.join(', ')}. Leave the option out to train on all.`,
  );
}

/** Returns every reason why the results are not comparable with the published ones; empty if they are. */
export function reducedNotes(
  experiment: Experiment,
  request: RunRequest,
  settings: Settings,
  datasets: readonly Dataset[],
): string[] {
  const { full } = experiment.scales;
  const sampled = datasets.filter(({ source }) => source.kind === 'sample').map(({ name }) => name);
  const notes = sampled.map(
    (name) => `trained on the bundled sample, not the full data set: run \`npx tilegrad data fetch ${name}\``,
  );
  const noteLimit = (split: 'train' | 'test', limit: number | undefined) => {
    if (limit === undefined || datasets.every((set) => limit >= set[split].size)) return;
    notes.push(`the first ${count(limit)} ${split === 'train' ? 'training' : 'test'} images only`);
  };
  noteLimit('train', settings.limit);
  noteLimit('test', settings.testLimit);
  for (const key of ['epochs', 'batchSize', 'replicas', 'learningRate'] as const) {
    if (settings[key] !== full[key]) notes.push(`${settingName(key)} ${settings[key]} instead of ${full[key]}`);
  }
  return [...notes, ...(request.scale === 'full' ? [] : (experiment.scales[request.scale]?.cut ?? []))];
}

/** Returns the command that repeats a run. */
export function repeatCommand({ id, file, scale, seed, data, ...rest }: RunRequest): string {
  const names = {
    epochs: '--epochs',
    batchSize: '--batch',
    learningRate: '--lr',
    replicas: '--replicas',
    limit: '--limit',
    short: '--short',
  };
  const words = [
    ...['npx', 'tilegrad', 'run', nameOf({ id, file })],
    ...(data === undefined ? [] : ['--data', quoteForShell(data)]),
    ...['--scale', scale, '--seed', seed],
    ...Object.entries(names).flatMap(([key, name]) => {
      const value = rest[key as keyof typeof rest];
      return value === undefined ? [] : [name, typeof value === 'string' ? quoteForShell(value) : value];
    }),
  ];
  return words.join(' ');
}

/** Returns the command that resumes a run. */
export const resumeCommand = (run: Pick<RunRequest, 'id' | 'file'>, folder: string) =>
  `npx tilegrad run ${nameOf(run)} --resume ${quoteForShell(folder)}`;

/** Returns an experiment's name on the command line: its file, or its id if it comes with tilegrad. */
export const nameOf = ({ id, file }: Pick<RunRequest, 'id' | 'file'>): string =>
  file === undefined ? id : quoteForShell(file);

/** Quotes a word for a POSIX shell if it needs quotes. */
const quoteForShell = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Removes options that were not given, so that they do not override settings. */
function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
