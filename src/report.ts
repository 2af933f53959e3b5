/**
 * Drawings and reports from a program of one's own, and experiments that `tilegrad run` runs. In Node.
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
