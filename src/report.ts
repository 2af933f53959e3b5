/**
 * Plots and reports for your own programs, and experiments for `tilegrad run`. Needs Node.
 * @module tilegrad/report
 */

export { defineExperiment, type ExperimentOptions } from './cli/define-experiment.ts';
export type {
  Experiment,
  ExperimentContext,
  Network,
  Scale,
  SearchSpec,
  Settings,
  TrainedReplica,
  TrainSpec,
} from './cli/experiment.ts';
export * from './report/index.ts';
