import { checkFlag, checkFunction, checkSurplus, checkText, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { checkSeed } from '../base/random.ts';
import { checkDevice } from '../gpu/device.ts';
import type { Model, TrainingData } from '../training/index.ts';
import { differences } from '../training/state/run-description.ts';
import { describeData } from './describe-data.ts';
import { checkFitOptions, checkTrialData, checkValidation, type SearchFitOptions } from './fit-options.ts';
import { horizonOf } from './horizon.ts';
import { HyperParameters } from './hyperparameters.ts';
import { LocalRunner } from './local-runner.ts';
import { readObjective } from './objective.ts';
import type { Oracle } from './oracle.ts';
import { checkCount } from './oracles/options.ts';
import { type ProposedTrial, Proposer } from './proposer.ts';
import { computeMedians, type Pruning, type PruningOptions, readPruning } from './pruning.ts';
import type { Objective, SearchRecord, Trial } from './record.ts';
import type { SearchOptions } from './search-options.ts';
import { SearchStore } from './store.ts';
import { bestTrials, resultsText, searchSpaceText, trialText } from './summary.ts';
import { TogetherRunner } from './together-runner.ts';
import { seedOf, type TrialDescription, type TrialRunner } from './trial.ts';
import { TrialLoop } from './trial-loop.ts';
import { loadTrialModel } from './trial-weights.ts';

/** What differs between the searcher classes. */
export interface SearcherKind {
  /** Name of the class, for messages and records. */
  name: string;
  oracle: Oracle;
  /** Options of this searcher class, for the record. */
  options: SearchRecord['options'];
  /** Whether the searcher determines the epochs of each trial. */
  decidesEpochs?: boolean;
  pruning?: PruningOptions | boolean | undefined;
  parallelTrials?: number | undefined;
}

/** Limit of the trials that are trained together, because the name of a file contains their numbers. */
const MAX_TOGETHER = 40;
/** Options whose larger values make a search longer without changing its first trials. */
const LENGTH_OPTIONS = ['maxTrials', 'hyperbandIterations'];
/** Differences between two searches that a message names. */
const MAX_NAMED = 4;
/** Minimum time between two writes of the record, which holds all trials. */
const RECORD_MS = 2000;

/** A search over the hyperparameters of a model: the base class of RandomSearch, GridSearch, Hyperband and BayesianOptimization. */
export class Search {
  /** The metric to optimize. */
  readonly objective: Objective;
  private readonly options: SearchOptions;
  private readonly store: SearchStore;
  private readonly executions: number;
  private readonly seed: number;
  private readonly pruning: Pruning | null;
  private readonly parallelTrials: number;
  private readonly maxFailures: number;
  private proposer: Proposer;
  /** Whether the content of the folder must be deleted first. */
  private mustClear: boolean;
  private fit: SearchRecord['fit'] = {};

  /** Calls `buildModel` with all defaults. @throws ArgumentError, also if the folder holds another search; errors of `buildModel`; DataError, FileError */
  protected constructor(
    options: SearchOptions,
    private readonly kind: SearcherKind,
  ) {
    const who = kind.name;
    this.options = { ...options };
    checkFunction(`${who}: buildModel`, options.buildModel);
    this.objective = readObjective(who, options.objective);
    checkText(`${who}: directory, the folder in which the search is saved,`, options.directory);
    if (options.name !== undefined) checkText(`${who}: name`, options.name);
    this.seed = options.seed ?? 0;
    checkSeed(this.seed, who);
    this.executions = checkCount(who, 'executionsPerTrial', options.executionsPerTrial ?? 1);
    this.maxFailures = checkCount(who, 'maxConsecutiveFailures', options.maxConsecutiveFailures ?? 3);
    this.parallelTrials = checkCount(who, 'parallelTrials', kind.parallelTrials ?? 1);
    this.pruning = readPruning(who, kind.pruning);
    this.mustClear = checkFlag(who, 'overwrite', options.overwrite ?? false);
    const { saveFreq = 'epoch', together = 1 } = options;
    if (checkCount(who, 'together', together) > MAX_TOGETHER) {
      throw new ArgumentError(`${who}: together: ${MAX_TOGETHER} trials at most, but is ${together}`);
    }
    if (together > 1 && options.runner) {
      throw new ArgumentError(
        `${who}: together applies only to trials in this process, so it cannot be combined with runner; leave one out`,
      );
    }
    if (saveFreq !== 'epoch') checkCount(who, "saveFreq, 'epoch' or a number of steps,", saveFreq);
    for (const hook of ['onTrialBegin', 'onTrialEnd'] as const) {
      if (options[hook] !== undefined) checkFunction(`${who}: ${hook}`, options[hook]);
    }
    if (options.device !== undefined) checkDevice(who, options.device, `new ${who}({ device, ... })`);
    checkRunner(who, options.runner);
    this.store = new SearchStore(options.directory);
    this.proposer = this.createProposer();
    if (!this.mustClear) this.load();
  }

  /**
   * Trains trials one after another and saves each. If the folder holds the search already, it continues.
   * @param data as for `model.fit`. A loader keeps its samples on the GPU for all trials; `{ x, y }` is uploaded for each
   * @param fit options of each trial's `fit`; `signal` ends the search after the current step
   * @returns all trials, also those of earlier calls
   * @throws ArgumentError, also if no epoch reports the objective, or if data or options differ from those that the search was started
   *   with;
   *   SearchError for `maxConsecutiveFailures` failed trials; AbortedError after `signal`; DeviceLostError; FileError, DataError
   */
  async search(data: TrainingData | null, fit: SearchFitOptions = {}, ...surplus: never[]): Promise<SearchRecord> {
    const who = this.kind.name;
    checkSurplus(`${who}: search`, surplus);
    checkFitOptions(who, fit);
    if (this.kind.decidesEpochs && fit.epochs !== undefined) {
      throw new ArgumentError(
        `${who}: search: epochs must be left out, because the rounds decide them; maxEpochs limits them`,
      );
    }
    if (data !== null) checkValidation(who, fit, this.objective.name);
    const runner = this.options.runner ?? this.localRunner(data, fit);
    const fitDescription = await describeFit(data, fit);
    const unlock = this.store.lock();
    try {
      return await this.run(runner, fit, fitDescription);
    } finally {
      unlock();
    }
  }

  /** Runs the search while its folder is locked. */
  private async run(
    runner: TrialRunner,
    fit: SearchFitOptions,
    fitDescription: SearchRecord['fit'],
  ): Promise<SearchRecord> {
    if (this.mustClear) this.store.clear();
    this.mustClear = false;
    this.proposer = this.createProposer();
    const stored = this.load();
    this.store.deleteBackups(this.proposer.finished); // a killed process may have saved a result and not deleted its backup
    if (stored && Object.keys(stored.fit).length > 0) {
      this.checkSame(differences(stored.fit, fitDescription, 'fit'));
    }
    this.fit = fitDescription;
    this.store.writeRecord(this.record);
    try {
      await this.loop(runner, fit).run();
      this.store.deleteGroupBackups(); // of a killed process that trained more trials together than this one
    } finally {
      this.store.writeRecord(this.record);
    }
    return this.record;
  }

  private loop(runner: TrialRunner, fit: SearchFitOptions): TrialLoop {
    const { kind, proposer, store, pruning, parallelTrials, options } = this;
    let lastWrite = performance.now();
    return new TrialLoop({
      ...{ who: kind.name, proposer, store, runner, maxConsecutiveFailures: this.maxFailures, signal: fit.signal },
      horizon: (number) => (pruning ? horizonOf(number, pruning.startupTrials, parallelTrials) : 0),
      describe: (number, proposed) => this.describe(number, proposed, fit),
      onBegin: (trial) => options.onTrialBegin?.(trial),
      onEnd: (trial) => {
        if (performance.now() - lastWrite > RECORD_MS) {
          this.store.writeRecord(this.record);
          lastWrite = performance.now();
        }
        return options.onTrialEnd?.(trial, this.record);
      },
    });
  }

  private describe(number: number, proposed: ProposedTrial, fit: SearchFitOptions): TrialDescription {
    const { values, initialEpoch = 0, from = null, epochs = fit.epochs ?? 1 } = proposed;
    const { seed, executions, objective, pruning, parallelTrials, proposer } = this;
    checkSeed(
      seedOf(seed, number, executions) + (executions - 1),
      `${this.kind.name}: trial ${number}, the last execution`,
    );
    const description = { number, values, epochs, initialEpoch, from, executions, objective };
    if (!pruning) return { ...description, seed: seedOf(seed, number, executions) };
    const horizon = horizonOf(number, pruning.startupTrials, parallelTrials);
    const limits = computeMedians(pruning, { name: objective.name, epochs }, horizon, proposer.finished);
    return { ...description, seed: seedOf(seed, number, executions), ...(limits ? { medians: limits } : {}) };
  }

  /** The search and its results so far. */
  get record(): SearchRecord {
    const { kind, objective, seed, executions, fit, proposer } = this;
    return {
      ...{ kind: 'tilegrad-search', schemaVersion: 1, name: this.options.name ?? kind.name, searcher: kind.name },
      ...{ options: this.kindOptions, fit, objective, seed, executionsPerTrial: executions },
      space: proposer.space,
      trials: [...proposer.finished.values()].sort((a, b) => a.number - b.number),
    };
  }

  /** Returns a text with every hyperparameter, in KerasTuner's layout. */
  searchSpaceSummary(): string {
    return searchSpaceText(this.proposer.space);
  }

  /** Returns a text with the best trials, in KerasTuner's layout. @throws ArgumentError */
  resultsSummary(count = 10): string {
    checkCount(`${this.kind.name}: resultsSummary`, 'the number of trials', count);
    return resultsText(this.record, this.options.directory, count);
  }

  /** Returns a text with one trial, in KerasTuner's layout. @throws ArgumentError if no trial with that number has ended */
  trialSummary(number: number): string {
    const trial = this.proposer.finished.get(number);
    if (trial) return trialText(trial);
    throw new ArgumentError(
      `${this.kind.name}: trialSummary: no trial ${formatValue(number)} has ended; ${this.endedText()}`,
    );
  }

  /**
   * Returns the values of the best trials, the best first, for `buildModel`; fewer if fewer have a score.
   * @throws ArgumentError if no trial has a score
   */
  bestHyperparameters(count = 1): HyperParameters[] {
    checkCount(`${this.kind.name}: bestHyperparameters`, 'the number of trials', count);
    return this.listBest('bestHyperparameters', count).map(({ values }) => new HyperParameters({ values }));
  }

  /**
   * Returns the models of the best trials, the best first, built and with the weights of their best epoch; fewer if fewer have a score.
   * With `executionsPerTrial`, they are those of the first execution; the score is the mean over all.
   * @throws ArgumentError if no trial has a score, without a device, or if `buildModel` now returns other models (the message names the
   *   differences); DataError, FileError
   */
  async bestModels(count = 1): Promise<Model[]> {
    const who = this.kind.name;
    checkCount(`${who}: bestModels`, 'the number of trials', count);
    const { device, buildModel } = this.options;
    if (!device) throw new ArgumentError(`${who}: bestModels: needs a device to build on; give ${who} one with device`);
    const models: Model[] = [];
    try {
      for (const trial of this.listBest('bestModels', count)) {
        const weights = this.store.readWeights(trial.number);
        const name = this.store.weightsPath(trial.number);
        models.push(loadTrialModel(buildModel, trial, { device, weights, name }));
      }
      return models;
    } catch (error) {
      for (const model of models) model.dispose();
      throw error;
    }
  }

  private listBest(method: string, count: number): Trial[] {
    const trials = [...this.proposer.finished.values()];
    const best = bestTrials(this.objective, trials);
    if (best.length > 0) return best.slice(0, count);
    const last = trials.at(-1)?.reason ?? 'no reason';
    const why =
      trials.length === 0
        ? 'none has ended; await search(data, fitOptions) first'
        : `all ${trials.length} failed, the last with: ${last}`;
    throw new ArgumentError(`${this.kind.name}: ${method}: no trial has a score: ${why}`);
  }

  private endedText(): string {
    const numbers = [...this.proposer.finished.keys()].sort((a, b) => a - b);
    return numbers.length === 0 ? 'none has' : `the ended ones are ${numbers[0]} to ${numbers.at(-1)}`;
  }

  private localRunner(data: TrainingData | null, fit: SearchFitOptions): TrialRunner {
    const { device, buildModel, saveFreq = 'epoch', together = 1 } = this.options;
    const who = this.kind.name;
    if (!device) {
      throw new ArgumentError(
        `${who}: search: needs a device to train on, from await openDevice(); give ${who} one with device`,
      );
    }
    if (data === null) throw new ArgumentError(`${who}: search: takes data as model.fit does, but was given null`);
    checkTrialData(`${who}: search`, data);
    const work = { buildModel, data, fit, device, saveFreq };
    return together > 1 ? new TogetherRunner(this.store, work, together) : new LocalRunner(this.store, work);
  }

  private createProposer(): Proposer {
    const { seed, objective, kind, options } = this;
    const proposer = new Proposer(kind.name, kind.oracle, options.buildModel, { seed, objective });
    proposer.explore();
    return proposer;
  }

  private get kindOptions(): SearchRecord['options'] {
    const { pruning, parallelTrials, kind } = this;
    if (!pruning) return kind.options;
    const { warmUpEpochs, startupTrials } = pruning;
    return {
      ...kind.options,
      parallelTrials,
      'pruning/warmUpEpochs': warmUpEpochs,
      'pruning/startupTrials': startupTrials,
    };
  }

  /** Loads the trials in the folder. @throws ArgumentError if it holds another search */
  private load(): SearchRecord | null {
    const stored = this.store.read();
    if (!stored) return null;
    this.checkSame(differences(identityOf(stored), identityOf(this.record)));
    this.checkSame(this.proposer.differences(stored.space), 'the space has changed: ');
    for (const trial of stored.trials) {
      const changed = this.proposer.replay(trial);
      if (changed !== null) this.checkSame([changed], 'the space has changed: ');
    }
    this.fit = stored.fit;
    return stored;
  }

  private checkSame(found: Iterable<string>, prefix = ''): void {
    const texts = [...found];
    if (texts.length === 0) return;
    const more = texts.length > MAX_NAMED ? `; and ${texts.length - MAX_NAMED} more` : '';
    throw new ArgumentError(
      `${this.kind.name}: ${this.options.directory} holds another search: ${prefix}${texts.slice(0, MAX_NAMED).join('; ')}${more}. ` +
        'Use what it was started with, or start a new search: in another directory (`tilegrad search`: without --resume), or with overwrite: true',
    );
  }
}

/** @throws ArgumentError unless it is undefined or a TrialRunner */
function checkRunner(who: string, runner: TrialRunner | undefined): void {
  if (runner === undefined) return;
  const run = tryRead(`${who}: runner`, () => runner?.run);
  if (typeof run === 'function') checkCount(who, 'concurrency of runner', runner.concurrency);
  else
    throw new ArgumentError(
      `${who}: runner must be a TrialRunner with run and concurrency, but is ${formatValue(runner)}`,
    );
}

/** Returns what two searches of one folder must have in common. */
function identityOf({ searcher, name, options, objective, seed, executionsPerTrial }: SearchRecord) {
  const compared = Object.entries(options).filter(([option]) => !LENGTH_OPTIONS.includes(option));
  return { searcher, name, options: Object.fromEntries(compared), objective, seed, executionsPerTrial };
}

/** Returns a value for the record: unchanged, or as text if JSON cannot hold it. `fit` checks it later. */
function plainOf(value: unknown): number | string | boolean {
  if (typeof value === 'boolean' || typeof value === 'string' || Number.isFinite(value)) return value as number;
  try {
    return JSON.stringify(value) ?? formatValue(value);
  } catch {
    return formatValue(value);
  }
}

/** Returns the options of `fit` that decide the result of a trial, as far as they are plain values. Waits for the GPU. */
async function describeFit(data: TrainingData | null, fit: SearchFitOptions): Promise<SearchRecord['fit']> {
  const { epochs, batchSize, validationSplit, stepsPerEpoch, validationSteps, shuffle, classWeight, cacheFeatures } =
    fit;
  const options = { epochs, batchSize, validationSplit, stepsPerEpoch, validationSteps, shuffle, classWeight };
  return {
    ...Object.fromEntries(
      Object.entries(options).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, plainOf(value)] as const],
      ),
    ),
    ...(cacheFeatures ? { cacheFeatures: true } : {}),
    ...(data === null ? {} : { data: await describeData(data) }),
    ...(fit.validationData === undefined ? {} : { validationData: await describeData(fit.validationData) }),
  };
}
