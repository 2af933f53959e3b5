import { isDeepStrictEqual } from 'node:util';
import { checkFunction, checkOptions, checkText, formatValue, nearName, readList, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { datasets as known } from '../data/datasets.ts';
import type { DatasetName } from '../data/types.ts';
import type { Section } from '../report/content.ts';
import { experimentId } from '../report/run-record.ts';
import type { Experiment, ExperimentContext, Network, Reduced, Settings } from './experiment.ts';

/** Options of `defineExperiment`: all but `id`, `title` and `run` have defaults. */
export interface ExperimentOptions<S extends Settings = Settings> {
  /** Id, part of the name of the run's folder: letters, digits and hyphens, such as `my-mlp`. */
  id: string;
  /** Title of the report. */
  title: string;
  /** The question it answers, as paragraphs; the report begins with it. Default: the title. */
  question?: string | readonly string[];
  /** Published results in short. */
  published?: string;
  /** Data sets of tilegrad for `context.loaders(name)`; default: none. For other data, see `context.loader(set)` and `dataId`. */
  datasets?: readonly DatasetName[];
  /** Settings by scale: `full`, and what differs with `--scale short` and `--scale smoke`. Default: 1 epoch, batch size 32, 1 model. */
  scales?: {
    /** Settings in full. */
    full: Partial<S>;
    /** What differs with `--scale short`. */
    short?: Reduced<S>;
    /** What differs with `--scale smoke`. */
    smoke?: Reduced<S>;
  };
  /** Names of trainings that `--short` can cut: see `context.variation`. */
  variations?: readonly string[];
  /** Networks whose steps `--profile` shows. */
  networks?: readonly Network[];
  /** Trains and measures. @returns the sections of the report, made by `section(title, ...parts)` */
  run(context: ExperimentContext<S>): Promise<Section[]>;
}

const OPTION_NAMES = {
  id: true,
  title: true,
  question: true,
  published: true,
  datasets: true,
  scales: true,
  variations: true,
  networks: true,
  run: true,
} as const;

const SCALES = ['full', 'short', 'smoke'];
const DEFAULTS: Settings = { epochs: 1, batchSize: 32, replicas: 1 };
/** The smoke scale of experiments that define none. */
const SMOKE: Reduced<Settings> = { epochs: 1, replicas: 1, limit: 1000, testLimit: 200 };
/** Settings that are integers from 1. The run also reads `learningRate` and `cut`. */
const COUNTS = ['epochs', 'batchSize', 'replicas', 'limit', 'testLimit'];

/**
 * Defines an experiment, the default export of a file for `npx tilegrad run ./my-experiment.mjs`. It gets the same run folder,
 * report, resume, seeds and scales as the experiments that come with tilegrad.
 *
 *     export default defineExperiment({
 *       id: 'my-mlp',
 *       title: 'An MLP on MNIST',
 *       datasets: ['mnist'],
 *       scales: { full: { epochs: 5, batchSize: 64, replicas: 3 }, smoke: { epochs: 1, limit: 320 } },
 *       async run(context) {
 *         const { train, test } = context.loaders('mnist');
 *         const trained = await context.train('mlp', { createModel, compile, data: train, validationData: test });
 *         return [section('Curves', plotHistory(trained))];
 *       },
 *     });
 *
 * @throws ArgumentError for invalid options
 */
export function defineExperiment<S extends Settings = Settings>(
  options: ExperimentOptions<S>,
  ...surplus: never[]
): Experiment<S> {
  const subject = 'defineExperiment';
  checkOptions(subject, options, OPTION_NAMES, surplus);
  return tryRead(subject, () => {
    const { id, title, run, published = '', datasets = [], variations, networks } = options;
    checkText(`${subject}: id`, id);
    if (!experimentId.safeParse(id).success) {
      throw new ArgumentError(
        `${subject}: id must be letters, digits and hyphens, such as my-mlp, at most 40, but is ${formatValue(id)}`,
      );
    }
    checkText(`${subject}: title`, title);
    checkFunction(`${subject}: run`, run);
    if (typeof published !== 'string')
      throw new ArgumentError(`${subject}: published must be text, but is ${formatValue(published)}`);
    const unknownName = textsOf(`${subject}: datasets`, datasets).find((name) => !Object.hasOwn(known, name));
    if (unknownName !== undefined) {
      throw new ArgumentError(
        `${subject}: datasets are of ${Object.keys(known).join(', ')}, but ${formatValue(unknownName)} was given; for images of your own, use context.loader(set)`,
      );
    }
    return {
      ...{
        id,
        title,
        published,
        question: questionOf(options),
        datasets: [...datasets],
        scales: scalesOf(options),
        run,
      },
      ...(variations === undefined ? {} : { variations: textsOf(`${subject}: variations`, variations) }),
      ...(networks === undefined ? {} : { networks: networksOf(networks) }),
    };
  });
}

function questionOf({ question, title }: Pick<ExperimentOptions, 'question' | 'title'>): string[] {
  const given = typeof question === 'string' ? [question] : (question ?? [title]);
  const texts = textsOf('defineExperiment: question', given);
  return texts.length > 0 ? texts : [title];
}

/** @throws ArgumentError unless the value is a list of texts, none of them empty */
function textsOf(subject: string, given: unknown): string[] {
  const texts = readList(subject, given);
  if (!texts) throw new ArgumentError(`${subject} must be a list of texts, but is ${formatValue(given)}`);
  for (const text of texts) checkText(subject, text);
  return texts as string[];
}

function networksOf(given: readonly Network[]): readonly Network[] {
  const networks = readList('defineExperiment: networks', given) as Network[] | null;
  const isNetwork = (network: Network) =>
    typeof network?.createModel === 'function' && typeof network.compile === 'function';
  if (networks?.every(isNetwork)) return networks;
  throw new ArgumentError(
    `defineExperiment: networks must be a list of { createModel, compile }, both functions, but is ${formatValue(given)}`,
  );
}

function scalesOf<S extends Settings>({ scales = { full: {} } }: ExperimentOptions<S>): Experiment<S>['scales'] {
  const subject = 'defineExperiment: scales';
  const found = checkOptions(subject, scales as object, { full: true, short: true, smoke: true }) as Record<
    string,
    object | undefined
  >;
  for (const name of SCALES) {
    const settings = found[name];
    if (settings === undefined && name !== 'full') continue;
    if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
      throw new ArgumentError(
        `${subject}.${name} must be an object such as { epochs: 5 }, but is ${formatValue(settings)}`,
      );
    }
    checkSettings(`${subject}.${name}`, settings as Record<string, unknown>);
    checkNames(`${subject}.${name}`, settings, name === 'full' ? [] : Object.keys(found.full!));
  }
  const { full, short, smoke = SMOKE } = found;
  return {
    full: { ...DEFAULTS, ...full } as S,
    ...(short === undefined ? {} : { short: { ...short } as Reduced<S> }),
    smoke: { ...smoke } as Reduced<S>,
  };
}

function checkSettings(subject: string, settings: Record<string, unknown>): void {
  for (const name of COUNTS) {
    const value = settings[name];
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)) continue;
    throw new ArgumentError(`${subject}: ${name} must be an integer from 1, but is ${formatValue(value)}`);
  }
  const { learningRate, cut } = settings;
  if (
    learningRate !== undefined &&
    !(typeof learningRate === 'number' && learningRate > 0 && Number.isFinite(learningRate))
  ) {
    throw new ArgumentError(`${subject}: learningRate must be a number above 0, but is ${formatValue(learningRate)}`);
  }
  if (cut !== undefined) textsOf(`${subject}: cut`, cut);
}

/**
 * A setting may have any name, but a name close to that of another setting is probably a typing error, which would be ignored.
 * @param ownNames additional settings of the experiment, which smaller scales reduce
 * @throws ArgumentError for such a name, and for a value that the run's record cannot hold
 */
function checkNames(subject: string, settings: object, ownNames: readonly string[]): void {
  const names = [...COUNTS, 'learningRate', 'cut', ...ownNames];
  for (const [name, value] of Object.entries(settings)) {
    if (names.includes(name)) continue;
    const near = nearName(name, names);
    if (near !== undefined && near[0] === name[0]?.toLowerCase()) {
      throw new ArgumentError(
        `${subject}: there is no setting ${name}; did you mean ${near}? Otherwise give your own setting a less similar name`,
      );
    }
    if (!isPlain(value)) {
      throw new ArgumentError(
        `${subject}: ${name} must be what JSON holds, such as a number or a list, but is ${formatValue(value)}`,
      );
    }
  }
}

/** Whether a value survives JSON unchanged. */
function isPlain(value: unknown): boolean {
  try {
    return value === undefined || isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
  } catch {
    return false; // a function, a BigInt, or a circular reference
  }
}
