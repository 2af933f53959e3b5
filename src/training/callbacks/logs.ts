import type { Metrics } from '../objective.ts';

/** Running figures during an epoch. They come from read-backs that nothing waits for, so they trail the GPU by a few steps. */
export interface BatchLogs {
  /** Epoch under way, from 1. */
  epoch: number;
  /** Number of the last epoch. */
  epochs: number;
  /** Samples (of each replica) of this epoch that the figures cover. */
  samples: number;
  /** Samples that the epoch has; of a stream, had so far. */
  samplesTotal: number;
  /** Mean loss over the epoch's samples so far. */
  loss: number;
  /** Of models that tell classes. */
  accuracy?: number;
  /** Of all replicas together. */
  samplesPerSecond: number;
  /** Estimated seconds until the end of the whole `fit` call. */
  secondsLeft: number;
  /** Metrics that `compile` named. */
  [metric: string]: number | undefined;
}

/** How far `fit` with `cacheFeatures` is, before its first epoch. */
export interface FeatureLogs {
  /** Samples that went through the frozen layers. */
  samples: number;
  /** How many samples there are, those of validation with them. */
  samplesTotal: number;
  /** Since the first began. */
  seconds: number;
}

/** Figures in the midst of an epoch, exact: `onSteps` waits for the GPU. */
export interface StepLogs {
  /** Epoch under way, from 1. */
  epoch: number;
  /** Steps of the epoch that were done. */
  step: number;
  /** Samples (of each replica) that the figures cover: those of this epoch so far. */
  samples: number;
  /** Means over the samples, and over the replicas. */
  logs: Metrics;
  /** Means over the samples, of each replica. */
  replicas: readonly Metrics[];
}

/** One finished epoch: what Keras prints at the end of its line. */
export interface EpochLogs {
  /** From 1. */
  epoch: number;
  /** Mean loss over the samples of the epoch, penalties included, while the weights changed. */
  loss: number;
  /** Of models that tell classes; not of those that approach numbers. */
  accuracy?: number;
  /** Loss on the validation data after the epoch. Present when there is such data, as is `val...` for each metric. */
  valLoss?: number;
  /** Accuracy on the validation data after the epoch, of models that tell classes. */
  valAccuracy?: number;
  /** The optimiser's as the epoch ends: with a schedule, that of the next step, as in Keras. */
  learningRate: number;
  /** Wall time of the training part of the epoch (validation not counted), all replicas together. */
  seconds: number;
  /** Of all replicas together. */
  samplesPerSecond: number;
  /** Metrics that `compile` named. */
  [metric: string]: number | undefined;
}

/** What `fit` returns. */
export interface History {
  /** Of several replicas, the means over them. */
  epochs: EpochLogs[];
  /** The epochs of each replica: of a model alone, the same list once. */
  replicas: EpochLogs[][];
  /**
   * True when an AbortSignal ended training early, and for `onTrainEnd` of a training that failed; the epochs finished until
   * then are all here.
   */
  interrupted: boolean;
  /**
   * Replicas, from 0, whose last epoch has a loss (or `valLoss`) that is NaN or infinite, or whose weights are after the last step: what
   * they predict is meaningless. Empty where `EarlyStopping` put back weights with a finite figure. `TerminateOnNaN` ends such a
   * training early.
   */
  diverged: number[];
  /** Wall time of the whole call, validation included. */
  seconds: number;
}

/** See `History.diverged`. @param broken replicas with weights that are no finite numbers */
export const divergedReplicas = (replicas: readonly (readonly EpochLogs[])[], broken: ReadonlySet<number>): number[] =>
  replicas.flatMap((epochs, r) => {
    const { loss = 0, valLoss = 0 } = epochs.at(-1) ?? {};
    return Number.isFinite(loss) && Number.isFinite(valLoss) && !broken.has(r) ? [] : [r];
  });
