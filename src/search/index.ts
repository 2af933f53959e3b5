/** Hyperparameter search, with KerasTuner's names. */
export type { BuildModel } from './build-model.ts';
export type { BooleanOptions, ChoiceOptions, FloatOptions, IntOptions, Sampling } from './define.ts';
export type { SearchFitOptions, TrialInfo } from './fit-options.ts';
export { type Draw, HyperParameters, type HyperParametersOptions } from './hyperparameters.ts';
export type { PruningOptions } from './pruning.ts';
export type { Hyperparameter, HyperparameterValue, HyperparameterValues, SearchRecord, Trial } from './record.ts';
export type { PrunableSearchOptions, SearchOptions } from './search-options.ts';
export {
  BayesianOptimization,
  type BayesianOptimizationOptions,
  GridSearch,
  type GridSearchOptions,
  Hyperband,
  type HyperbandOptions,
  RandomSearch,
  type RandomSearchOptions,
} from './searchers.ts';
export type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from './trial.ts';
