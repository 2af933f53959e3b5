/**
 * Drawings and reports from a program of one's own, and experiments that `tilegrad run` runs. In Node.
 * @module tilegrad/report
 */

export type {
  Experiment,
  Lab as ExperimentContext,
  Network,
  Scale,
  SearchSpec,
  Settings,
  TrainedReplica,
  TrainSpec,
} from './cli/experiment.ts';
export { defineExperiment, type ExperimentOptions } from './cli/own-experiment.ts';
export * from './report/index.ts';
