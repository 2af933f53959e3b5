/*
How to write an experiment: a file such as experiments/D1.ts exports an Experiment, and experiments/index.ts lists it.
It follows the order of the coursework: data, model, training, then the sections of the report.

    export const D1: Experiment = {
      id: 'D1',
      title: 'Ten runs of one network on MNIST',
      question: ['How much do ten trainings of the same network differ?'],   // paragraphs
      published: 'runs differ',                                              // for `tilegrad list`
      datasets: ['mnist'],                                                   // loaded before the run starts
      scales: {
        full: { epochs: 5, batchSize: 32, replicas: 10 },                    // as published
        short: { replicas: 3 },                                              // only what differs from full
        smoke: { epochs: 1, replicas: 2, limit: 320, testLimit: 100 },       // under 10 s; tests run it
      },
      networks: [network],                                                   // what `tilegrad tune` measures
      async run(context) {
        const { train, test } = context.loaders('mnist');                    // images in 0..1, on the device
        const ten = await context.train('d1', { ...network, data: train, validationData: test });
        return [
          section('Results', compare([measuredRow('test accuracy', 0.9183, testFigures(ten))])),
          section('Curves', ...trainingCurves(ten, { title: 'D1' })),
          section('Model', ...modelBlocks(ten)),
        ];
      },
    };

- `network` is `{ createModel: () => new Sequential([...]), compile: () => ({ optimizer: new SGD(...), loss: ... }) }`. Both
  functions return new objects at each call.
- Settings that only one experiment has get their own type: `Experiment<Settings & { widths: number[] }>`, `context.settings.widths`.
  The report lists differences from `full` in epochs, batch size, models, learning rate and images. List other cuts in that
  scale's `cut: ['widths 2 and 4 only']`.
- `context.train(name, spec)` trains once per run folder. A second experiment with the same training, and a resumed run, get the
  saved result. Its key is a hash of everything that decides it; the same name for something else is an error. The model is
  disposed afterwards: `measure` takes what the report needs from each replica, and is saved with the result.
- `context.search(name, { buildModel, objective, createSearch, data, validationData })` searches hyperparameters, also once. It
  prints the space, each trial and the best. `searchBlocks` of src/report/search.ts shows the result.
- `context.cached(name, compute)` saves the plain JSON of any other computation. It may depend only on the experiment's settings,
  seed, data sets and the text of `compute`; list anything else under `depends`. It should stop when `context.signal` aborts.
- The key contains the text of functions (losses, `measure`, `compute`), but not of the functions that they call. If one of those
  changes, delete the file of the result in `parts/`.
- Blocks for the report are in src/report/blocks.ts: `compare`, `measuredRow`, `trainingCurves`, `curves`, `bars`, `table`,
  `confusionBlock`, `imageGrid`, `weightImages`, `modelBlocks`, `paragraph`. `why` of a comparison is shown if the results differ.
*/
import type { Checkpoint } from '../applications/checkpoints.ts';
import type { ImageLoader, ImageLoaderOptions } from '../data/loader.ts';
import type { DatasetName, ImageSet } from '../data/types.ts';
import type { Device } from '../gpu/device.ts';
import type { BlockInput, Section } from '../report/content.ts';
import type { Training } from '../report/training.ts';
import type { BuildModel } from '../search/build-model.ts';
import type { ObjectiveOption } from '../search/objective.ts';
import type { SearchRecord } from '../search/record.ts';
import type { Search } from '../search/search.ts';
import type { SearchOptions } from '../search/search-options.ts';
import type { BatchSource } from '../training/batches/batch-source.ts';
import type { TrainingData } from '../training/batches/training-data.ts';
import type { CompileOptions } from '../training/compile.ts';
import type { Callback, Model } from '../training/model.ts';

/** `full`: as published. `short`: a whole coursework in about half an hour on two cores. `smoke`: seconds, for tests. */
export type Scale = 'full' | 'short' | 'smoke';
export const scales: readonly Scale[] = ['full', 'short', 'smoke'];

/** Settings of an experiment; the command line has an option for each except `testLimit`. */
export interface Settings {
  /** Number of the last epoch. */
  epochs: number;
  /** Samples of a step. */
  batchSize: number;
  /** Models to train, with the seeds `seed`, `seed + 1`, ... */
  replicas: number;
  /** Only in experiments with one learning rate. */
  learningRate?: number;
  /** Number of training images: the first ones in stored order. Default: all. */
  limit?: number;
  /** Number of test images: the first ones in stored order. Default: all. */
  testLimit?: number;
}

/**
 * Settings of a smaller scale that differ from the full one.
 * @inline
 */
export type Reduced<S extends Settings> = Partial<S> & {
  /** Cuts that the settings do not show, in words. */
  cut?: string[];
};

/** A model and how it is trained. Both functions return new objects at each call. */
export interface Network {
  /** Returns a model that is not built yet. */
  createModel(): Model;
  /** Returns the options of `model.compile`. */
  compile(): CompileOptions;
}

/** One experiment of a coursework, such as A1. */
export interface Experiment<S extends Settings = Settings> {
  /** The coursework's letter and a number, such as `A1`. */
  id: string;
  /** Title of its report, also shown by `tilegrad list`. */
  title: string;
  /** The question it answers, as paragraphs; its report begins with it. */
  question: string[];
  /** The published results in short, for `tilegrad list`. */
  published: string;
  /** Data sets to load before the run starts. */
  datasets: readonly DatasetName[];
  /** Published weights to start from, found or downloaded before the run starts. Experiments that share them share the object. */
  checkpoint?: Checkpoint;
  /** Settings by scale. */
  scales: {
    /** As published. */
    full: S;
    /** Differences for a coursework of about half an hour. */
    short?: Reduced<S>;
    /** Differences for a run of seconds. */
    smoke: Reduced<S>;
  };
  /** Names of its trainings that `--short` can cut; see `ExperimentContext.variation`. */
  variations?: readonly string[];
  /** Networks whose kernels `tilegrad tune` measures. */
  networks?: readonly Network[];
  /** Trains and measures. @returns the sections of the report */
  run(context: ExperimentContext<S>): Promise<Section[]>;
}

/** Experiments that belong together: `tilegrad run A`. */
export interface Coursework {
  id: string;
  title: string;
  /** The question it answers, as paragraphs. */
  question: string[];
  /**
   * Returns the end of its report and output, instead of the list of all comparisons.
   * @param trainings     the finished trainings
   * @param about.likeForLike whether the results should match the published ones; false at the smoke scale and on the sample
   */
  summary?(trainings: readonly Training[], about: { likeForLike: boolean }): BlockInput[];
}

/** Everything that `tilegrad run` knows. */
export interface Catalogue {
  experiments: readonly Experiment[];
  courseworks: readonly Coursework[];
}

/** A training. Omitted settings are those of the experiment. */
export interface TrainSpec<M = null> extends Pick<Network, 'compile'> {
  /** Returns a new model at each call; a promise if its weights come from a file. */
  createModel(): Model | Promise<Model>;
  /** Training data. */
  data: TrainingData;
  /** Data to measure after each epoch. */
  validationData?: TrainingData;
  /** Share of the training data, from its end, to use as validation data instead. */
  validationSplit?: number;
  /** Data to measure after the last epoch. Default: `validationData`. */
  testData?: TrainingData;
  /** Number of the last epoch. */
  epochs?: number;
  /** Samples of a step. */
  batchSize?: number;
  /** Models to train. */
  replicas?: number;
  /** Seed of the first model; the others have the seeds after it. */
  seed?: number;
  /** Whether each epoch has a new order of the samples. Default: true. */
  shuffle?: boolean;
  /** Whether the outputs of the frozen layers at the start of the model are computed once: see `fit`. */
  cacheFeatures?: boolean;
  /** Returns new callbacks for each call of `fit`. */
  callbacks?(): Callback[];
  /** Whether to write TensorBoard's files to `logs/NAME` in the run's folder, with histograms of the weights of each epoch. */
  tensorBoard?: boolean;
  /** Returns what the report needs from a trained model: plain JSON. */
  measure?(trained: TrainedReplica): Promise<M>;
  /** Identifies the data if it does not come from `context.loader` or `context.loaders`. */
  dataId?: string;
  /** What `callbacks` and `measure` depend on in addition to their own text: plain JSON. */
  depends?: unknown;
}

/** A search over the hyperparameters of a model. Omitted settings are those of the experiment. */
export interface SearchSpec
  extends Pick<TrainSpec, 'data' | 'validationData' | 'validationSplit' | 'batchSize' | 'seed' | 'shuffle'> {
  /** Returns new callbacks for each trial. */
  callbacks?(): Callback[];
  /** Returns a compiled model with hyperparameters from `hp`. */
  buildModel: BuildModel;
  /** The metric that ranks trials, with its direction if the name does not imply it. */
  objective: ObjectiveOption;
  /** Creates the searcher from the context's options: `(options) => new Hyperband({ ...options, maxEpochs: 10 })`. */
  createSearch(options: SearchOptions): Search;
  /** Identifies the data, as in `TrainSpec`. */
  dataId?: string;
  /** What the functions depend on in addition to their own text, such as options of the searcher: plain JSON. */
  depends?: unknown;
}

/** One replica of a finished training. */
export interface TrainedReplica {
  /** The model with all its replicas. */
  model: Model;
  /** Index of the replica, from 0. */
  index: number;
  /** The seed it was trained with. */
  seed: number;
  /** Returns this replica's values of `model.weights[i]`. */
  weights(i: number): Promise<Float32Array>;
  /** Returns this replica's outputs, sample after sample. */
  predict(data: BatchSource): Promise<Float32Array>;
  /** Returns this replica's `counts[true class][predicted class]`. */
  confusion(data: TrainingData): Promise<number[][]>;
}

/** What `run` of an experiment works with. */
export interface ExperimentContext<S extends Settings = Settings> {
  /** The requested scale. */
  readonly scale: Scale;
  /** The settings of that scale. */
  readonly settings: Readonly<S>;
  /** Seed of the first model. */
  readonly seed: number;
  /** The device of the run. */
  readonly device: Device;
  /** The run's folder, for the experiment's own files. */
  readonly folder: string;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether to start independent trainings together, because workers do them. See `experiments/seeds.ts`. */
  readonly atOnce: boolean;
  /** Returns images in host memory, limited by the settings. @throws ArgumentError for a set that `datasets` does not list */
  images(name: DatasetName): {
    /** Training images. */
    train: ImageSet;
    /** Test images. */
    test: ImageSet;
  };
  /** Returns the same images on the device, scaled to 0..1. */
  loaders(name: DatasetName): {
    /** Training images. */
    train: ImageLoader;
    /** Test images. */
    test: ImageLoader;
  };
  /** Returns a loader of images on the device, the same for the same arguments. It is disposed of at the end of the run. */
  loader(set: ImageSet, options?: ImageLoaderOptions): ImageLoader;
  /** Paths of the files of the experiment's `checkpoint`. */
  readonly weightFiles: readonly string[];
  /** Trains once per run folder. @throws AbortedError after Ctrl-C */
  train<M = null>(name: string, spec: TrainSpec<M>): Promise<Training<M>>;
  /**
   * Searches once per run folder. Each trial is saved in `searches/` of the folder, from which an interrupted search continues.
   * @throws AbortedError after Ctrl-C
   */
  search(name: string, spec: SearchSpec): Promise<SearchRecord>;
  /**
   * Computes a value once per run folder.
   * @param compute         returns plain JSON
   * @param options.depends what `compute` depends on in addition to its own text: plain JSON
   */
  cached<T>(name: string, compute: () => Promise<T>, options?: { depends?: unknown }): Promise<T>;
  /**
   * The older name of `cached`.
   * @param options.depends what `compute` depends on in addition to its own text: plain JSON
   * @deprecated Use `cached`.
   */
  part<T>(name: string, compute: () => Promise<T>, options?: { depends?: unknown }): Promise<T>;
  /** Returns the context for one of the experiment's `variations`: one at the short scale if `--short` names it, else this one. */
  variation(name: string): ExperimentContext<S>;
  /** Adds a line to the report's list of what was reduced or changed. */
  note(text: string): void;
}

/**
 * The older name of `ExperimentContext`.
 * @deprecated Use `ExperimentContext`.
 */
export type Lab<S extends Settings = Settings> = ExperimentContext<S>;
