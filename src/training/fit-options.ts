import { checkOptions, checkSignal, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { readSeeds, replicasOfSeeds, type Seeds } from '../base/random.ts';
import { checkReplicas } from '../nn/weights/parameters.ts';
import type { TrainingData } from './batches/training-data.ts';
import { type Callback, checkCallbacks } from './callbacks/callback.ts';
import { type CacheFeaturesOptions, readAdapterBytes } from './features/feature-cache.ts';
import type { ClassWeight } from './objective.ts';
import type { Trainable } from './trainable.ts';

/** Options of `Model.fit`. */
export interface FitOptions<M = Trainable> {
  /** Number of the last epoch. Default 1. */
  epochs?: number;
  /** Epochs that earlier calls trained: this call starts with the next one. Default 0. */
  initialEpoch?: number;
  /** Samples of a step. Default 32. A shorter last batch is trained on too, as in Keras. A stream decides the size of its batches. */
  batchSize?: number;
  /** Data that is measured after each epoch. Takes precedence over `validationSplit`. */
  validationData?: TrainingData;
  /** Share of the samples, the last ones in stored order, that is measured after each epoch instead of being trained on. */
  validationSplit?: number;
  /** Factors by class for the training loss, such as { 0: 1, 1: 5 }; the factor of all other classes is 1. */
  classWeight?: ClassWeight;
  /** Batches that an epoch takes from a stream. Default: all. A stream without an end needs it. */
  stepsPerEpoch?: number;
  /**
   * Batches that a validation takes from `validationData`, if that is a stream. Default: all. A stream without an end needs it, or a
   * `signal`. `fit` cannot detect such a stream, so after 10,000 batches it warns with `console.warn`.
   */
  validationSteps?: number;
  /** Whether each epoch takes the samples in a new random order, drawn by `seed`. Default true. A stream keeps its order. */
  shuffle?: boolean;
  /**
   * Seed of shuffles and dropout. Default 0. The same seed gives the same bits on the same adapter with the same kernels
   * (`device.choices`). Replica r uses `seed + r`, or number r of a list with a seed for each replica.
   */
  seed?: Seeds;
  /**
   * Number of replicas of the model that are trained in the same dispatches: see `Model.replicate`. Each has its own initial weights,
   * shuffles, dropout and optimizer state, and gets the same bits as if it were trained alone. Default: the length of a list of seeds, else
   * the model's replicas.
   */
  replicas?: number;
  /**
   * Computes the output of the frozen layers at the beginning of the model once for each sample, and trains the layers after them on it.
   * Losses and metrics differ only by rounding. Not for streams. Default false.
   */
  cacheFeatures?: boolean | CacheFeaturesOptions;
  /** Callbacks, called in this order. Default none. */
  callbacks?: readonly Callback<M>[];
  /** Ends training after the current step; `fit` returns the history so far. */
  signal?: AbortSignal;
}

/** Options of `fit` with their defaults. */
export interface FitSettings extends FitOptions {
  epochs: number;
  initialEpoch: number;
  shuffle: boolean;
  seed: Seeds;
  replicas: number;
  callbacks: readonly Callback[];
  /** Limit in bytes of features on the adapter; null without `cacheFeatures`. */
  adapterBytes: number | null;
}

/** Checks options that need no model. @throws ArgumentError */
export function checkFitOptions(options: FitOptions): void {
  checkOptions('fit', options, {
    epochs: true,
    initialEpoch: true,
    batchSize: true,
    validationData: true,
    validationSplit: true,
    classWeight: true,
    stepsPerEpoch: true,
    validationSteps: true,
    shuffle: true,
    seed: true,
    replicas: true,
    cacheFeatures: true,
    callbacks: true,
    signal: true,
  });
  const { epochs = 1, initialEpoch = 0, seed = 0, callbacks = [] } = options;
  checkAtLeast('epochs', epochs, 1);
  checkAtLeast('initialEpoch', initialEpoch, 0);
  checkCallbacks(callbacks);
  checkSignal('fit', options.signal);
  readSeeds('fit', seed);
  readAdapterBytes('fit', options.cacheFeatures);
}

/** The options with defaults, for a model with `modelReplicas` replicas. @throws ArgumentError */
export function readFitOptions(options: FitOptions, modelReplicas: number): FitSettings {
  const { epochs = 1, initialEpoch = 0, shuffle = true, callbacks = [] } = options;
  const { replicas = replicasOfSeeds('fit', options.seed ?? 0) ?? modelReplicas } = options;
  checkReplicas('fit', replicas);
  const seed = readSeeds('fit', options.seed ?? 0, replicas);
  const adapterBytes = readAdapterBytes('fit', options.cacheFeatures);
  return { ...options, epochs, initialEpoch, shuffle, callbacks, replicas, seed, adapterBytes };
}

function checkAtLeast(option: string, value: number, min: number): void {
  if (Number.isInteger(value) && value >= min) return;
  throw new ArgumentError(
    `fit: ${option} must be ${min > 0 ? 'a positive integer' : 'an integer from 0 up'}, but is ${formatValue(value)}`,
  );
}
