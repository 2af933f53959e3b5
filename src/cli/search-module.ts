import { existsSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nearName, show } from '../check.ts';
import { TilegradError, UsageError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import type { TrainingData } from '../nn/index.ts';
import type { BuildModel } from '../search/build-model.ts';
import { checkFitOptions, type SearchFitOptions } from '../search/fit-options.ts';
import type { SearchOptions } from '../search/search.ts';
import { BayesianOptimization, GridSearch, Hyperband, RandomSearch } from '../search/searchers.ts';

const SEARCHERS = { RandomSearch, GridSearch, Hyperband, BayesianOptimization };
export type SearcherName = keyof typeof SEARCHERS;
export type Searcher = InstanceType<(typeof SEARCHERS)[SearcherName]>;

/**
 * What the module of a search exports: all that a trial is made of, so that it can be trained in other processes too.
 *
 *     export function buildModel(hp) { ... return model.compile({ ... }); }
 *     export const searcher = 'Hyperband';                            // or GridSearch, BayesianOptimization; default RandomSearch
 *     export const options = { objective: 'valAccuracy', maxEpochs: 10 };
 *     export const data = async (device) => new ImageLoader(device, (await loadDataset('mnist')).train);
 *     export const fit = { batchSize: 64, validationSplit: 0.2, callbacks: () => [new EarlyStopping()] };
 *
 * `data` and `fit` are what `search` takes, or functions of the device that return or promise it.
 */
export interface SearchModule {
  /** As the command line named it. */
  file: string;
  buildModel: BuildModel;
  searcher: SearcherName;
  /** The searcher's, without `buildModel`, `directory` and what the command line decides. */
  options: Partial<SearchOptions>;
  data: TrainingData | ((device: Device) => TrainingData | Promise<TrainingData>);
  fit: SearchFitOptions | ((device: Device) => SearchFitOptions | Promise<SearchFitOptions>);
  /** That of the file, unless `options` has one. */
  name: string;
}

const EXPORTS = ['buildModel', 'searcher', 'options', 'data', 'fit'];

/** Loads the module of a search. @throws UsageError for a file that is not there, cannot be loaded, or lacks an export */
export async function loadSearchModule(file: string): Promise<SearchModule> {
  const path = resolve(file);
  if (!existsSync(path))
    throw new UsageError(
      `search: there is no file ${file}; name a module (.mjs), as in \`npx tilegrad search FILE.mjs\``,
    );
  const url = urlOf(file);
  let exported: Record<string, unknown>;
  try {
    exported = (await import(url)) as Record<string, unknown>;
  } catch (error) {
    throw moduleError(`${file}: it cannot be loaded`, url, error);
  }
  return readSearchModule(file, exported);
}

/** An error of the module's own code, which is no bug of tilegrad. @param url of the module, to find the line */
function moduleError(what: string, url: string, error: unknown): unknown {
  if (error instanceof TilegradError) return error;
  const { name, message, stack = '' } = error instanceof Error ? error : { name: 'thrown', message: show(error) };
  const [, line] = stack.split(`${url}:`)[1]?.match(/^(\d+)/) ?? [];
  const where = line !== undefined ? ` (line ${line})` : name === 'SyntaxError' ? '; `node --check` shows where' : '';
  return new UsageError(`${what}: ${name}: ${message}${where}`, { cause: error });
}

/** The exports of a module, checked. @throws UsageError */
export function readSearchModule(file: string, exported: Record<string, unknown>): SearchModule {
  const { buildModel, searcher = 'RandomSearch', options = {}, data, fit = {} } = exported;
  const unknown = Object.keys(exported).find(
    (name) => !EXPORTS.includes(name) && nearName(name, EXPORTS) !== undefined,
  );
  const meant = unknown === undefined ? '' : `; is ${unknown} meant to be ${nearName(unknown, EXPORTS)}?`;
  if (typeof buildModel !== 'function') {
    throw new UsageError(
      `${file}: must export buildModel, a function of hp that returns a compiled model, but that is ${show(buildModel)}${meant}`,
    );
  }
  if (data === undefined) {
    throw new UsageError(
      `${file}: must export data, what model.fit takes, or a function of the device that returns it${meant}`,
    );
  }
  if (typeof searcher !== 'string' || !Object.hasOwn(SEARCHERS, searcher)) {
    throw new UsageError(
      `${file}: searcher must be one of ${Object.keys(SEARCHERS).join(', ')}, but is ${show(searcher)}`,
    );
  }
  for (const [name, value] of Object.entries({ options, fit })) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
    if (name === 'fit' && typeof value === 'function') continue;
    throw new UsageError(`${file}: ${name} must be an object of options, but is ${show(value)}`);
  }
  for (const name of ['buildModel', 'directory', 'device', 'overwrite', 'runner', 'onTrialBegin', 'onTrialEnd']) {
    if (!Object.hasOwn(options as object, name)) continue;
    throw new UsageError(`${file}: options must be without ${name}, which the command decides`);
  }
  const { name = basename(file, extname(file)) } = options as { name?: string };
  return { file, buildModel, searcher, options, data, fit, name } as SearchModule;
}

/** The searcher of a module. @param own what the command decides. @throws ArgumentError, DataError, FileError */
export function createSearcher(module: SearchModule, own: Partial<SearchOptions> & { directory: string }): Searcher {
  const { file, buildModel, searcher, options, name } = module;
  const all = { ...options, ...own, buildModel, name };
  try {
    return new SEARCHERS[searcher](all as ConstructorParameters<typeof RandomSearch>[0]);
  } catch (error) {
    throw moduleError(`${file}: buildModel fails with its defaults`, urlOf(file), error);
  }
}

/** What a module's trials are trained on, and how. @throws UsageError for what its code throws; ArgumentError for impossible options */
export async function prepareSearch(
  { file, searcher, data, fit }: SearchModule,
  device: Device,
): Promise<{ data: TrainingData; fit: SearchFitOptions }> {
  const call = async <T>(what: string, make: (device: Device) => T | Promise<T>): Promise<T> => {
    try {
      return await make(device);
    } catch (error) {
      throw moduleError(`${file}: ${what} fails`, urlOf(file), error);
    }
  };
  const prepared = {
    data: makesData(data) ? await call('data', data) : (data as TrainingData),
    fit: typeof fit === 'function' ? await call('fit', fit) : fit,
  };
  if (typeof prepared.fit !== 'object' || prepared.fit === null) {
    throw new UsageError(
      `${file}: the function fit must return an object of options, but returned ${show(prepared.fit)}`,
    );
  }
  checkFitOptions(searcher, prepared.fit);
  return prepared;
}

/** Whether it is a function of the device: one without arguments begins a stream, as for `fit`, unless it is async. */
const makesData = (data: SearchModule['data']): data is (device: Device) => TrainingData | Promise<TrainingData> =>
  typeof data === 'function' && (data.length > 0 || Object.prototype.toString.call(data) === '[object AsyncFunction]');

const urlOf = (file: string): string => pathToFileURL(resolve(file)).href;
