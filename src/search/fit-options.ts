import { checkFlag, checkFunction, checkOptions, checkSignal, formatValue, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { checkCombinedData, isSource } from '../training/batches/training-data.ts';
import { checkCallbacks } from '../training/callbacks/callback.ts';
import type { FitOptions } from '../training/index.ts';
import type { Callback } from '../training/model.ts';
import { checkCount } from './oracles/options.ts';
import type { HyperparameterValues } from './record.ts';

/** The trial that callbacks are made for. */
export interface TrialInfo {
  /** Its number, from 0. */
  number: number;
  /** Its values by name. */
  values: HyperparameterValues;
}

/** Options of each trial's `fit`: those of `model.fit`, except those that the search sets. */
export interface SearchFitOptions extends Omit<FitOptions, 'callbacks' | 'seed' | 'replicas' | 'initialEpoch'> {
  /** Returns new callbacks for a trial, such as `() => [new EarlyStopping({ patience: 2 })]`. They have state, so each trial needs its own. */
  callbacks?: (trial: TrialInfo) => readonly Callback[];
}

/** Options of `fit` that the search sets, and what decides them. */
const SEARCH_OPTIONS: Readonly<Record<string, string>> = {
  seed: "a trial's seed follows from its number and the searcher's `seed`",
  replicas: 'executionsPerTrial of the searcher sets the number of replicas',
  initialEpoch: 'the searcher decides it',
};

/** @throws ArgumentError for invalid options. `fit` checks those that depend on the data when the first trial begins */
export function checkFitOptions(who: string, options: SearchFitOptions): void {
  const names = {
    ...{ epochs: true, batchSize: true, validationData: true, validationSplit: true, classWeight: true },
    ...{
      stepsPerEpoch: true,
      validationSteps: true,
      shuffle: true,
      cacheFeatures: true,
      callbacks: true,
      signal: true,
    },
  };
  checkOptions(`${who}: search`, options, names, [], SEARCH_OPTIONS);
  const { callbacks, classWeight, epochs = 1, shuffle = true, signal, validationData, validationSplit } = options;
  checkSignal(`${who}: search`, signal);
  checkCount(`${who}: search`, 'epochs', epochs);
  for (const name of ['batchSize', 'stepsPerEpoch', 'validationSteps'] as const) {
    if (options[name] !== undefined) checkCount(`${who}: search`, name, options[name]);
  }
  if (validationData !== undefined) checkTrialData(`${who}: search: validationData`, validationData);
  else if (validationSplit !== undefined && !(validationSplit > 0 && validationSplit < 1)) {
    throw new ArgumentError(
      `${who}: search: validationSplit must be above 0 and below 1, such as 0.2, but is ${formatValue(validationSplit)}`,
    );
  }
  checkFlag(`${who}: search`, 'shuffle', shuffle);
  checkJson(`${who}: search: classWeight`, classWeight);
  if (callbacks === undefined) return;
  if (readList(`${who}: search: callbacks`, callbacks)) {
    throw new ArgumentError(
      `${who}: search: callbacks have state, so each trial needs its own, but a list was given; ` +
        'give a function that makes them: callbacks: () => [new EarlyStopping()]',
    );
  }
  checkFunction(`${who}: search: callbacks`, callbacks);
}

/** @throws ArgumentError for data with which every trial, or every trial but the first, would fail */
export function checkTrialData(subject: string, data: unknown): void {
  if (typeof data === 'function' || isSource(data, subject)) return;
  checkCombinedData(subject, data);
  const isObject = typeof data === 'object' && data !== null;
  if (isObject && 'x' in data && 'y' in data) return;
  const isStream = isObject && (Symbol.asyncIterator in data || Symbol.iterator in data);
  throw new ArgumentError(
    isStream
      ? `${subject} must be readable for each trial, but a stream can be read only once; give a function that opens it`
      : `${subject}: takes { x, y }, a loader such as an ImageLoader, or a function that opens a stream of batches, but was given ${formatValue(data)}`,
  );
}

/** @throws ArgumentError for a validation metric as objective without validation data or a callback that might report it */
export function checkValidation(who: string, options: SearchFitOptions, objective: string): void {
  const { validationData, validationSplit, callbacks } = options;
  if (!/^val[A-Z]/.test(objective) || validationData !== undefined || validationSplit !== undefined || callbacks)
    return;
  throw new ArgumentError(
    `${who}: search: the objective ${objective} needs validation, but there is neither validationData nor validationSplit; ` +
      'give one of them, such as validationSplit: 0.2',
  );
}

/** Checks a value that backups contain. @throws ArgumentError if JSON cannot hold it */
function checkJson(subject: string, value: unknown): void {
  try {
    JSON.stringify(value);
  } catch (cause) {
    throw new ArgumentError(
      `${subject} must be factors by class, such as { 0: 1, 1: 5 }, but is ${formatValue(value)}`,
      {
        cause,
      },
    );
  }
}

/** Returns the callbacks of a trial. @throws ArgumentError unless the user's function returns a list of callbacks */
export function makeCallbacks({ callbacks }: SearchFitOptions, trial: TrialInfo): readonly Callback[] {
  if (!callbacks) return [];
  const trialCallbacks = callbacks(trial);
  checkCallbacks(trialCallbacks);
  return trialCallbacks;
}
