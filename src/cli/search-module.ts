import { basename, extname } from 'node:path';
import { formatValue, nearName } from '../base/check.ts';
import { UsageError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { BuildModel } from '../search/build-model.ts';
import { checkFitOptions, checkValidation, type SearchFitOptions } from '../search/fit-options.ts';
import { readObjective } from '../search/objective.ts';
import type { SearchOptions } from '../search/search-options.ts';
import { BayesianOptimization, GridSearch, Hyperband, RandomSearch } from '../search/searchers.ts';
import type { TrainingData } from '../training/index.ts';
import { inModule } from './module-error.ts';
import { importUserModule } from './user-module.ts';

const SEARCHERS = { RandomSearch, GridSearch, Hyperband, BayesianOptimization };
export type SearcherName = keyof typeof SEARCHERS;
export type Searcher = InstanceType<(typeof SEARCHERS)[SearcherName]>;

/**
 * The exports of a search's module: everything that a trial needs, so that other processes can train it, too.
 *
 *     export function buildModel(hp) { ... return model.compile({ ... }); }
 *     export const searcher = 'Hyperband';                            // or GridSearch, BayesianOptimization; default RandomSearch
 *     export const options = { objective: 'valAccuracy', maxEpochs: 10 };
 *     export const data = async (device) => new ImageLoader(device, (await loadDataset('mnist')).train);
 *     export const fit = { batchSize: 64, validationSplit: 0.2, callbacks: () => [new EarlyStopping()] };
 *
 * `data` and `fit` are the arguments of `search`, or functions of the device that return or promise them.
 */
export interface SearchModule {
  /** As the command line named it. */
  file: string;
  buildModel: BuildModel;
  searcher: SearcherName;
  /** Options of the searcher, without `buildModel`, `directory` and those that the command line decides. */
  options: Partial<SearchOptions>;
  data: TrainingData | ((device: Device) => TrainingData | Promise<TrainingData>);
  fit: SearchFitOptions | ((device: Device) => SearchFitOptions | Promise<SearchFitOptions>);
  /** The name in `options`, else the name of the file. */
  name: string;
}

const EXPORTS = ['buildModel', 'searcher', 'options', 'data', 'fit'];

/** Loads the module of a search. @throws UsageError for a file that is missing, cannot be loaded, or lacks an export */
export async function loadSearchModule(file: string): Promise<SearchModule> {
  return readSearchModule(file, await importUserModule('search', file));
}

/** Checks the exports of a module. @throws UsageError */
export function readSearchModule(file: string, exported: Record<string, unknown>): SearchModule {
  const { buildModel, searcher = 'RandomSearch', options = {}, data, fit = {} } = exported;
  const misspelled = Object.keys(exported).find(
    (name) => !EXPORTS.includes(name) && nearName(name, EXPORTS) !== undefined,
  );
  const hint = misspelled === undefined ? '' : `; is ${misspelled} meant to be ${nearName(misspelled, EXPORTS)}?`;
  if (typeof buildModel !== 'function') {
    throw new UsageError(
      `${file}: must export buildModel, a function of hp that returns a compiled model, but that is ${formatValue(buildModel)}${hint}`,
    );
  }
  if (data === undefined) {
    throw new UsageError(
      `${file}: must export data, what model.fit takes, or a function of the device that returns it${hint}`,
    );
  }
  if (typeof searcher !== 'string' || !Object.hasOwn(SEARCHERS, searcher)) {
    throw new UsageError(
      `${file}: searcher must be one of ${Object.keys(SEARCHERS).join(', ')}, but is ${formatValue(searcher)}`,
    );
  }
  for (const [name, value] of Object.entries({ options, fit })) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
    if (name === 'fit' && typeof value === 'function') continue;
    throw new UsageError(`${file}: ${name} must be an object of options, but is ${formatValue(value)}`);
  }
  for (const name of ['buildModel', 'directory', 'device', 'overwrite', 'runner', 'onTrialBegin', 'onTrialEnd']) {
    if (!Object.hasOwn(options as object, name)) continue;
    throw new UsageError(`${file}: options must be without ${name}, which the command decides`);
  }
  if ((options as Partial<SearchOptions>).objective === undefined) {
    throw new UsageError(
      `${file}: must export options with an objective, as in \`export const options = { objective: 'valAccuracy', maxTrials: 20 };\``,
    );
  }
  if (typeof fit !== 'function') checkFit({ file, searcher, options } as SearchModule, fit as SearchFitOptions);
  const { name = basename(file, extname(file)) } = options as { name?: string };
  const build: BuildModel = (hp) => inModule(file, 'buildModel', () => (buildModel as BuildModel)(hp));
  return { file, buildModel: build, searcher, options, data, fit, name } as SearchModule;
}

/** Creates the searcher of a module. @param overrides options that the command decides. @throws ArgumentError, DataError, FileError */
export function createSearcher(
  module: SearchModule,
  overrides: Partial<SearchOptions> & { directory: string },
): Searcher {
  const { buildModel, searcher, options, name } = module;
  const all = { ...options, ...overrides, buildModel, name };
  return new SEARCHERS[searcher](all as ConstructorParameters<typeof RandomSearch>[0]);
}

/**
 * Returns the data and the `fit` options of a module's trials. @throws UsageError for errors of its code; ArgumentError for impossible
 * options
 */
export async function prepareSearch(
  module: SearchModule,
  device: Device,
): Promise<{ data: TrainingData; fit: SearchFitOptions }> {
  const { file, data, fit } = module;
  const options = typeof fit === 'function' ? await inModule(file, 'fit', () => fit(device)) : fit;
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(
      `${file}: the function fit must return an object of options, but returned ${formatValue(options)}`,
    );
  }
  return {
    data: isDataFunction(data) ? await inModule(file, 'data', () => data(device)) : (data as TrainingData),
    fit: withErrorLocation(file, checkFit(module, options)),
  };
}

/** Whether `data` is a function of the device. A function without arguments opens a stream, as for `fit`, unless it is async. */
const isDataFunction = (data: SearchModule['data']): data is (device: Device) => TrainingData | Promise<TrainingData> =>
  typeof data === 'function' && (data.length > 0 || Object.prototype.toString.call(data) === '[object AsyncFunction]');

/** @throws ArgumentError, before a folder is created for the search */
function checkFit({ file, searcher, options }: SearchModule, fit: SearchFitOptions): SearchFitOptions {
  const who = `${file}: ${searcher}`;
  checkFitOptions(who, fit);
  checkValidation(who, fit, readObjective(who, options.objective!).name);
  return fit;
}

/** Adds the file and the line to errors of the function that creates callbacks. */
function withErrorLocation(file: string, fit: SearchFitOptions): SearchFitOptions {
  const { callbacks } = fit;
  if (typeof callbacks !== 'function') return fit;
  return { ...fit, callbacks: (trial) => inModule(file, 'callbacks', () => callbacks(trial)) };
}
