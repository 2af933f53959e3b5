/*
How to write a row of EXPERIMENTS.md: a file experiments/D1.ts that exports an Experiment, and its name in
experiments/index.ts. It reads like the coursework: data, model, training, then what the report shows.

    export const D1: Experiment = {
      id: 'D1',
      title: 'Ten runs of one network on MNIST',
      question: ['How much do ten trainings of the same network differ?'],   // a paragraph each
      published: 'runs differ',                                              // for `tilegrad list`
      datasets: ['mnist'],                                                   // loaded before anything else happens
      scales: {
        full: { epochs: 5, batchSize: 32, replicas: 10 },                    // as published
        short: { replicas: 3 },                                              // only what is other than in full
        smoke: { epochs: 1, replicas: 2, limit: 320, testLimit: 100 },       // under 10 s; tests run it
      },
      networks: [network],                                                   // what `tilegrad tune` measures
      async run(lab) {
        const { train, test } = lab.loaders('mnist');                        // images in 0..1, on the device
        const ten = await lab.train('d1', { ...network, data: train, validationData: test });
        return [
          section('Results', compare([measuredRow('test accuracy', 0.9183, testFigures(ten))])),
          section('Curves', ...trainingCurves(ten, { title: 'D1' })),
          section('Model', ...modelBlocks(ten)),
        ];
      },
    };

- `network` is `{ createModel: () => new Sequential([...]), compile: () => ({ optimizer: new SGD(...), loss: ... }) }`: both make
  new objects at each call.
- Settings that only some rows have are a type of their own: `Experiment<Settings & { widths: number[] }>`, `lab.settings.widths`.
  Epochs, batch size, models, learning rate and images that differ from `full` are told by themselves; what else was cut goes
  into `cut: ['widths 2 and 4 only']` of that scale.
- `lab.train(name, spec)` is done once in a run folder: a second row that asks for the same training, and a run that is
  resumed, get what was kept. What decides its result is part of the key; the same name for something else is an error. The
  model itself is gone afterwards: what is wanted of it is taken by `measure`, for each replica, and kept with it.
- `lab.search(name, { buildModel, objective, createSearch, data, validationData })` searches hyperparameters, and is done once too; it
  prints the space, each trial and the best. `searchBlocks` of src/report/search.ts shows what it found.
- `lab.part(name, compute)` keeps the plain JSON of any other computation: it must depend on nothing but the row's settings,
  seed, data sets and the text of `compute`, or name what else under `depends`. It ends early when `lab.signal` does.
- Of functions (losses, `measure`, `compute`) the text is what tells whether a part can be taken over, not what they call:
  after a change of that, delete the part's file.
- Blocks for the report are in src/report/blocks.ts: `compare`, `measuredRow`, `trainingCurves`, `curves`, `bars`, `table`,
  `confusionBlock`, `imageGrid`, `weightImages`, `modelBlocks`, `paragraph`. `why` of a comparison is shown where it is off.
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

/** What a coursework states; the command line has an option for each. */
export interface Settings {
  /** Number of the last epoch. */
  epochs: number;
  /** Samples of a step. */
  batchSize: number;
  /** Models to train, with seeds `seed`, `seed + 1`, ... */
  replicas: number;
  /** Only of rows with one rate. */
  learningRate?: number;
  /** Training images, the first ones as they lie; default all. */
  limit?: number;
  /** Test images, likewise. */
  testLimit?: number;
}

/**
 * What a smaller scale has other than the full one.
 * @inline
 */
export type Reduced<S extends Settings> = Partial<S> & {
  /** What was cut that settings do not tell, in words. */
  cut?: string[];
};

/** A model and how it is trained. Both functions make new objects at each call. */
export interface Network {
  /** Makes the model, not built yet. */
  createModel(): Model;
  /** Makes what `model.compile` is given. */
  compile(): CompileOptions;
}

/** One row of EXPERIMENTS.md. */
export interface Experiment<S extends Settings = Settings> {
  /** The coursework's letter and a number, such as `A1`. */
  id: string;
  /** What its report and `tilegrad list` call it. */
  title: string;
  /** What it is to find out, a paragraph each: what its report begins with. */
  question: string[];
  /** The published figures in short, for `tilegrad list`. */
  published: string;
  /** Data sets that it loads before anything else happens. */
  datasets: readonly DatasetName[];
  /** The published weights it begins with, brought before anything else happens. Rows that share them share the object. */
  checkpoint?: Checkpoint;
  /** Settings by scale. */
  scales: {
    /** As published. */
    full: S;
    /** What differs where a coursework takes about half an hour. */
    short?: Reduced<S>;
    /** What differs where it takes seconds. */
    smoke: Reduced<S>;
  };
  /** Names of what it trains one after the other, any of which `--short` may cut; see `Lab.variation`. */
  variations?: readonly string[];
  /** Whose kernels `tilegrad tune` measures. */
  networks?: readonly Network[];
  /** Trains and measures what it is about. @returns the sections of its report */
  run(lab: ExperimentContext<S>): Promise<Section[]>;
}

/** Rows that belong together: `tilegrad run A`. */
export interface Coursework {
  id: string;
  title: string;
  /** What it is about, a paragraph each. */
  question: string[];
  /**
   * What its report and its output end with, instead of the list of all comparisons: made of the trainings that are finished.
   * @param about.likeForLike whether their figures ought to be the published ones: not in a run at the smoke scale or on a sample
   */
  summary?(trainings: readonly Training[], about: { likeForLike: boolean }): BlockInput[];
}

/** All there is to run. */
export interface Catalogue {
  experiments: readonly Experiment[];
  courseworks: readonly Coursework[];
}

/** A training: what is left out takes the row's settings. */
export interface TrainSpec<M = null> extends Pick<Network, 'compile'> {
  /** A new one at each call; a promise where its weights come from a file. */
  createModel(): Model | Promise<Model>;
  /** What it is trained on. */
  data: TrainingData;
  /** Measured after each epoch. */
  validationData?: TrainingData;
  /** The last share of the data, instead. */
  validationSplit?: number;
  /** Measured after the last epoch. Default: `validationData`. */
  testData?: TrainingData;
  /** Number of the last epoch. */
  epochs?: number;
  /** Samples of a step. */
  batchSize?: number;
  /** Models to train. */
  replicas?: number;
  /** Seed of the first model; the next has the next one. */
  seed?: number;
  /** Whether each epoch has a new order of the samples. Default true. */
  shuffle?: boolean;
  /** Whether what the frozen layers at the model's beginning give is computed once: see `fit`. */
  cacheFeatures?: boolean;
  /** Made anew for each call of `fit`. */
  callbacks?(): Callback[];
  /** Whether TensorBoard's files go to `logs/NAME` in the run's folder, with the weights' histograms of each epoch. */
  tensorBoard?: boolean;
  /** What is wanted of each trained model: plain JSON. */
  measure?(trained: TrainedReplica): Promise<M>;
  /** Says what the data is, where it does not come from `lab.loader` or `lab.loaders`. */
  dataId?: string;
  /** What else `callbacks` and `measure` go by than their own text: plain JSON. */
  depends?: unknown;
}

/** A search over the hyperparameters of a model: what is left out takes the row's settings. */
export interface SearchSpec
  extends Pick<TrainSpec, 'data' | 'validationData' | 'validationSplit' | 'batchSize' | 'seed' | 'shuffle'> {
  /** Made anew for each trial. */
  callbacks?(): Callback[];
  /** Makes and compiles a model from what it asks `hp` for. */
  buildModel: BuildModel;
  /** The figure of the epochs that decides; with its direction where the name does not say it. */
  objective: ObjectiveOption;
  /** Makes the searcher from what the lab fills in: `(options) => new Hyperband({ ...options, maxEpochs: 10 })`. */
  createSearch(options: SearchOptions): Search;
  /** As of a training. */
  dataId?: string;
  /** What else the functions go by than their own text, such as options of the searcher: plain JSON. */
  depends?: unknown;
}

/** One of the models of a training, at its end. */
export interface TrainedReplica {
  /** The model with all its replicas. */
  model: Model;
  /** Which of its replicas this is, from 0. */
  index: number;
  /** The seed it was trained with. */
  seed: number;
  /** This model's values of `model.weights[i]`. */
  weights(i: number): Promise<Float32Array>;
  /** This model's output for each sample, one after another. */
  predict(data: BatchSource): Promise<Float32Array>;
  /** `counts[true class][predicted class]` of this model. */
  confusion(data: TrainingData): Promise<number[][]>;
}

/** What a row is given to work with. */
export interface ExperimentContext<S extends Settings = Settings> {
  /** The scale that was asked for. */
  readonly scale: Scale;
  /** The settings of that scale. */
  readonly settings: Readonly<S>;
  /** Seed of the first model. */
  readonly seed: number;
  /** The device that everything runs on. */
  readonly device: Device;
  /** The run's, for files of a row's own. */
  readonly folder: string;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether trainings that do not need each other's results are best asked for at once: workers do them. See `experiments/seeds.ts`. */
  readonly atOnce: boolean;
  /** Images in host memory, as many as the scale takes. @throws ArgumentError for a set the row does not name */
  images(name: DatasetName): {
    /** Training images. */
    train: ImageSet;
    /** Test images. */
    test: ImageSet;
  };
  /** The same on the device, scaled to 0..1. */
  loaders(name: DatasetName): {
    /** Training images. */
    train: ImageLoader;
    /** Test images. */
    test: ImageLoader;
  };
  /** Images on the device. The lab disposes of it at the end; asked again for the same, it gives the same. */
  loader(set: ImageSet, options?: ImageLoaderOptions): ImageLoader;
  /** Paths of the files of the row's `checkpoint`. */
  readonly weightFiles: readonly string[];
  /** A training, done once. @throws AbortedError after Ctrl-C */
  train<M = null>(name: string, spec: TrainSpec<M>): Promise<Training<M>>;
  /**
   * A search, done once. It is kept trial by trial in `searches/` of the run's folder, and goes on there where it was stopped or killed.
   * @throws AbortedError after Ctrl-C
   */
  search(name: string, spec: SearchSpec): Promise<SearchRecord>;
  /**
   * Any other computation, done once; `compute` returns plain JSON.
   * @param options.depends what else it goes by than its own text: plain JSON
   */
  cached<T>(name: string, compute: () => Promise<T>, options?: { depends?: unknown }): Promise<T>;
  /** @deprecated Use `cached`. */
  part<T>(name: string, compute: () => Promise<T>, options?: { depends?: unknown }): Promise<T>;
  /** What trains one of the row's `variations`: this lab, or where `--short` names it one of the short scale. */
  variation(name: string): ExperimentContext<S>;
  /** Adds a line to what was reduced or changed. */
  note(text: string): void;
}

/** @deprecated Use `ExperimentContext`. */
export type Lab<S extends Settings = Settings> = ExperimentContext<S>;
