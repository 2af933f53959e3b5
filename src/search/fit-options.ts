import { checkFunction, checkOptions, listOf } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import { type Callback, checkCallbacks } from '../nn/callbacks.ts';
import type { FitOptions } from '../nn/index.ts';
import { checkCount } from './oracles/options.ts';
import type { HyperparameterValues } from './record.ts';

/** The trial that callbacks are made for. */
export interface TrialInfo {
  number: number;
  values: HyperparameterValues;
}

/** Options of each trial's `fit`: those of `model.fit`, but for what the search decides itself. */
export interface SearchFitOptions extends Omit<FitOptions, 'callbacks' | 'seed' | 'replicas' | 'initialEpoch'> {
  /** Makes the callbacks of a trial, such as `() => [new EarlyStopping({ patience: 2 })]`: they remember things, so that each trial needs its own. */
  callbacks?: (trial: TrialInfo) => readonly Callback[];
}

const DECIDED: Readonly<Record<string, string>> = {
  seed: "a trial's seed follows from its number and the searcher's `seed`",
  replicas: 'executionsPerTrial of the searcher trains each trial so many times',
  initialEpoch: 'the searcher decides it',
};

/** @throws ArgumentError. `fit` itself checks the values, as the first trial begins */
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
  checkOptions(`${who}: search`, options, names, [], DECIDED);
  const { callbacks, epochs = 1 } = options;
  checkCount(`${who}: search`, 'epochs', epochs);
  if (callbacks === undefined) return;
  if (listOf(`${who}: search: callbacks`, callbacks)) {
    throw new ArgumentError(
      `${who}: search: callbacks remember things from epoch to epoch, so that each trial needs its own, but a list was given; ` +
        'give a function that makes them: callbacks: () => [new EarlyStopping()]',
    );
  }
  checkFunction(`${who}: search: callbacks`, callbacks);
}

/** Those of a trial. @throws ArgumentError unless the function of the user makes a list of callbacks */
export function makeCallbacks({ callbacks }: SearchFitOptions, trial: TrialInfo): readonly Callback[] {
  if (!callbacks) return [];
  const made = callbacks(trial);
  checkCallbacks(made);
  return made;
}
