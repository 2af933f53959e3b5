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

/** What asks for the same again, scale included, from whichever folder: a path is stored whole. */
export function requestOf({ id, file }: Pick<RunTarget, 'id' | 'file'>, options: RunOptions, scale: Scale): RunRequest {
  const { seed = 1, epochs, batchSize, learningRate, replicas, limit, short } = options;
  const data = options.data === undefined ? undefined : resolve(options.data);
  return withoutUndefined({ id, scale, seed, epochs, batchSize, learningRate, replicas, limit, short, data, file });
}

/** The variations that a request cuts to the short scale. */
export const shortNames = ({ short }: Pick<RunRequest, 'short'>): string[] => short?.split(',') ?? [];

/** @throws UsageError for a name that is no variation of any of the rows, or at another scale than the full one */
export function checkShort(request: RunRequest, experiments: readonly Experiment[]): void {
  const names = shortNames(request);
  if (names.length === 0) return;
  if (request.scale !== 'full') {
    throw new UsageError(
      `--short ${request.short}: it is for runs at the full scale, but this one is of scale ${request.scale}; leave the option out`,
    );
  }
  const known = [...new Set(experiments.flatMap(({ variations = [] }) => variations))];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const among = known.length > 0 ? `its variations are ${known.join(', ')}` : 'it has no variations';
  throw new UsageError(
    `--short ${request.short}: ${request.id} has no ${unknown.map(formatValue).join(', ')}; ${among}`,
  );
}

/** With the whole data a run is as published; the sample that comes with the repository is for a quick look. */
export const defaultScale = (datasets: Iterable<Dataset>): Scale =>
  [...datasets].some(({ source }) => source.kind === 'sample') ? 'short' : 'full';

/** A row's settings at a scale, with those of the command line over them. @throws UsageError */
export function settingsFor(experiment: Experiment, request: RunRequest): Settings {
  const { id, scales } = experiment;
  const { epochs, batchSize, learningRate, replicas, limit, seed } = request;
  const { cut: _, ...reduced }: Reduced<Settings> = request.scale === 'full' ? {} : (scales[request.scale] ?? {});
  const atScale: Settings = { ...scales.full, ...reduced };
  if (learningRate !== undefined && atScale.learningRate === undefined) {
    throw new UsageError(`--lr: the learning rates of ${id} are part of what it is about; leave the option out`);
  }
  const settings: Settings = { ...atScale, ...withoutUndefined({ epochs, batchSize, learningRate, replicas, limit }) };
  if (seed + settings.replicas - 1 > MAX_SEED) {
    throw new UsageError(
      `--seed ${seed} with --runs ${settings.replicas} goes past the largest seed, ${MAX_SEED}; use a smaller seed`,
    );
  }
  return settings;
}

/** Settings with a batch of at most as many samples as the row trains on: `fit` takes what there is, as Keras does. */
export function fitBatch(settings: Settings, samples: number): Settings {
  return { ...settings, batchSize: Math.min(settings.batchSize, samples) };
}

/** @throws UsageError for a --limit beyond every data set: it would be taken for all images, and say something else */
export function checkLimit(limit: number | undefined, datasets: Iterable<Dataset>): void {
  const all = [...datasets];
  if (limit === undefined || all.some(({ train }) => limit <= train.size)) return;
  const sizes = all.map(({ name, train, source }) => `${count(train.size)} of ${name} (${source.description})`);
  throw new UsageError(
    `--limit ${limit}: there are fewer training images: ${sizes.join(', ')}. Leave the option out to train on all.`,
  );
}

/** Every reason why a row's figures cannot be held against the published ones; empty when it is like for like. */
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
  const cut = (part: 'train' | 'test', limit: number | undefined) => {
    if (limit === undefined || datasets.every((set) => limit >= set[part].size)) return;
    notes.push(`the first ${count(limit)} ${part === 'train' ? 'training' : 'test'} images only`);
  };
  cut('train', settings.limit);
  cut('test', settings.testLimit);
  for (const key of ['epochs', 'batchSize', 'replicas', 'learningRate'] as const) {
    if (settings[key] !== full[key]) notes.push(`${settingName(key)} ${settings[key]} instead of ${full[key]}`);
  }
  return [...notes, ...(request.scale === 'full' ? [] : (experiment.scales[request.scale]?.cut ?? []))];
}

/** The command that does the same again. */
export function repeatCommand({ id, file, scale, seed, data, ...rest }: RunRequest): string {
  const names = {
    epochs: '--epochs',
    batchSize: '--batch',
    learningRate: '--lr',
    replicas: '--runs',
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

/** The command that goes on with a run. */
export const resumeCommand = (run: Pick<RunRequest, 'id' | 'file'>, folder: string) =>
  `npx tilegrad run ${nameOf(run)} --resume ${quoteForShell(folder)}`;

/** How the command line names an experiment: by its file, or by its id if it comes with tilegrad. */
export const nameOf = ({ id, file }: Pick<RunRequest, 'id' | 'file'>): string =>
  file === undefined ? id : quoteForShell(file);

/** A word as a shell takes it. */
const quoteForShell = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** An option that was not given must not stand in the way of the setting below it. */
function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
