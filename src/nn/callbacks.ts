import type { Model } from './model.ts';
import type { Optimizer } from './optimizers/index.ts';

/** Running figures during an epoch. They come from read-backs that nothing waits for, so they trail the GPU by a few steps. */
export interface BatchLogs {
  /** Epoch under way, from 1. */
  epoch: number;
  epochs: number;
  /** Samples of this epoch that `loss` and `accuracy` cover, and how many the epoch has. */
  samples: number;
  samplesTotal: number;
  /** Mean loss and accuracy over the epoch's samples so far. */
  loss: number;
  accuracy: number;
  samplesPerSecond: number;
  /** Estimated seconds until the end of the whole `fit` call. */
  secondsLeft: number;
}

/** One finished epoch: what Keras prints at the end of its line. */
export interface EpochLogs {
  /** From 1. */
  epoch: number;
  loss: number;
  accuracy: number;
  /** Present when `fit` was given `validationData`. */
  valLoss?: number;
  valAccuracy?: number;
  /** The optimiser's as the epoch ends: with a schedule, that of the next step, as in Keras. */
  learningRate: number;
  /** Wall time of the training part of the epoch (validation not counted). */
  seconds: number;
  samplesPerSecond: number;
}

/** What `fit` returns. */
export interface History {
  epochs: EpochLogs[];
  /** True when an AbortSignal ended training early; the epochs finished until then are all here. */
  interrupted: boolean;
  /** Wall time of the whole call, validation included. */
  seconds: number;
}

/** Hooks into `fit`, as in Keras. Every one may be async; `onBatchEnd` is called a few times a second, not at each step. */
export interface Callback {
  onTrainBegin?(info: { model: Model; epochs: number; samples: number; batchSize: number }): void | Promise<void>;
  /** `epoch` from 1. A rate assigned to `optimizer.learningRate` counts from this epoch on. */
  onEpochBegin?(info: { epoch: number; optimizer: Optimizer }): void | Promise<void>;
  onBatchEnd?(logs: BatchLogs): void | Promise<void>;
  onEpochEnd?(logs: EpochLogs): void | Promise<void>;
  onTrainEnd?(history: History): void | Promise<void>;
}
