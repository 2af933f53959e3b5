import type { DatasetName } from '../data/types.ts';
import type { EngineModel } from './engine.ts';

/** Settings a coursework states; each has an option of the same meaning on the command line. */
export interface TrainingSettings {
  epochs: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  /** How many models to train, with seeds `seed`, `seed + 1`, ... */
  runs: number;
}

/** One row of the table of experiments: the model, the settings it was published with, and the figures it got. */
export interface Experiment {
  id: string;
  title: string;
  /** What it is to find out, in a sentence or two: what its report begins with. */
  question: string;
  dataset: DatasetName;
  /** Accuracies as fractions, as the coursework prints them. */
  published: { trainAccuracy: number; testAccuracy: number; parameters: number };
  defaults: TrainingSettings;
  loss: 'sparseCategoricalCrossentropy';
  /** Name of the optimiser, for `run.json`. */
  optimizer: string;
  createModel(): EngineModel;
  createOptimizer(learningRate: number): unknown;
}
