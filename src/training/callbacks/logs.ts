import type { Metrics } from '../objective.ts';

/** Metrics during an epoch. Training does not wait for their read-back, so they are a few steps behind. */
export interface BatchLogs {
  /** Current epoch, from 1. */
  epoch: number;
  /** Number of the last epoch. */
  epochs: number;
  /** Samples of this epoch that the metrics cover, of one replica. */
  samples: number;
  /** Samples of the epoch; of a stream, those so far. */
  samplesTotal: number;
  /** Mean loss over the epoch's samples so far. */
  loss: number;
  /** Accuracy over the epoch's samples so far; only of models that predict classes. */
  accuracy?: number;
  /** Samples per second of all replicas together. */
  samplesPerSecond: number;
  /** Estimated seconds until the end of the whole `fit` call. */
  secondsLeft: number;
  /** Metrics given to `compile`. */
  [metric: string]: number | undefined;
}

/** Progress of `cacheFeatures`, before the first epoch. */
export interface FeatureLogs {
  /** Samples whose features are computed. */
  samples: number;
  /** Samples of training and validation data. */
  samplesTotal: number;
  /** Seconds since the computation of features began. */
  seconds: number;
}

/** Metrics after a step of an epoch. They are exact: `onSteps` waits for the GPU. */
export interface StepLogs {
  /** Current epoch, from 1. */
  epoch: number;
  /** Steps of the epoch that were trained. */
  step: number;
  /** Samples of this epoch so far, of one replica. */
  samples: number;
  /** Means over the samples and the replicas. */
  logs: Metrics;
  /** Means over the samples, for each replica. */
  replicas: readonly Metrics[];
}

/** Metrics of one finished epoch. */
export interface EpochLogs {
  /** Number of the epoch, from 1. */
  epoch: number;
  /** Mean loss over the samples of the epoch, penalties included, each before the step on its batch. */
  loss: number;
  /** Training accuracy; only of models that predict classes. */
  accuracy?: number;
  /** Loss on the validation data after the epoch. With validation data, every metric has such a `val...`. */
  valLoss?: number;
  /** Accuracy on the validation data after the epoch; only of models that predict classes. */
  valAccuracy?: number;
  /** Learning rate at the end of the epoch; with a schedule, the rate of the next step, as in Keras. */
  learningRate: number;
  /** Wall time of the epoch in seconds, without validation, of all replicas together. */
  seconds: number;
  /** Samples per second of all replicas together. */
  samplesPerSecond: number;
  /** Metrics given to `compile`. */
  [metric: string]: number | undefined;
}

/** The result of `fit`. */
export interface History {
  /** Logs of the finished epochs; with several replicas, the means over them. */
  epochs: EpochLogs[];
  /** Logs of each replica; with one replica, a list with `epochs`. */
  replicas: EpochLogs[][];
  /** True if an AbortSignal ended training early. Also true in `onTrainEnd` of a training that failed. */
  interrupted: boolean;
  /**
   * Replicas, from 0, whose predictions are meaningless: their last `loss`, `valLoss` or weights are not finite numbers. Empty if
   * `EarlyStopping` restored weights with a finite metric. `TerminateOnNaN` ends such a training early.
   */
  diverged: number[];
  /** Wall time of the whole call in seconds, validation included. */
  seconds: number;
}

/** See `History.diverged`. @param nonFinite replicas with weights that are not finite */
export const divergedReplicas = (
  replicas: readonly (readonly EpochLogs[])[],
  nonFinite: ReadonlySet<number>,
): number[] =>
  replicas.flatMap((epochs, r) => {
    const { loss = 0, valLoss = 0 } = epochs.at(-1) ?? {};
    return Number.isFinite(loss) && Number.isFinite(valLoss) && !nonFinite.has(r) ? [] : [r];
  });
