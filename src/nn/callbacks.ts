import { listOf, nearName, readable, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { Model } from './model.ts';
import type { Metrics } from './objective.ts';
import type { Optimizer } from './optimizers/index.ts';
import type { SafePoint, Saved, TrainingState } from './training-state.ts';

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

/** What is about to be trained. */
export interface TrainInfo {
  /** The model that is trained. */
  model: Model;
  /** The optimizer that `compile` chose. */
  optimizer: Optimizer;
  /** Number of the last epoch. */
  epochs: number;
  /** Epochs that earlier calls did. */
  initialEpoch: number;
  /** Samples of an epoch; null where a stream decides. */
  samples: number | null;
  /** Samples of a step; null where a stream decides. */
  batchSize: number | null;
  /** Names of the figures that each epoch's logs will have: `loss`, `valLoss`, ... */
  monitored: readonly string[];
  /**
   * Names of those that callbacks before this one add, perhaps not in every epoch: what their `adds` says. Null if one of them
   * has `onEpochEnd` and does not say.
   */
  added: readonly string[] | null;
  /**
   * Lets training go on from a state that a `SafePoint` captured, once every callback has begun.
   * @param name of what holds it, for messages. @throws ArgumentError for a state of another training, saying what differs
   */
  resume(state: TrainingState, name?: string): Promise<void>;
}

/**
 * Hooks into `fit`, as in Keras. They may read the model (`evaluate`, `predict`, `saveModel`) but not change it: `trainable`,
 * `compile`, `loadWeights` and other trainings have to wait until `fit` has ended. Every one may be async; `onBatchEnd` is called a few times a second, not at each step. A
 * callback ends training with `model.stopTraining = true`. Replicas are trained together: what stops or slows them goes by the
 * means over them.
 */
export interface Callback {
  /** Called before the first epoch. */
  onTrainBegin?(info: TrainInfo): void | Promise<void>;
  /** Called a few times a second, and waited for, while `cacheFeatures` computes features, and once they are complete. */
  onFeatures?(logs: FeatureLogs): void | Promise<void>;
  /** Called before an epoch. A rate assigned to `optimizer.learningRate` counts from this epoch on. */
  onEpochBegin?(info: {
    /** Epoch that begins, from 1. */
    epoch: number;
    /** The optimizer that `compile` chose. */
    optimizer: Optimizer;
  }): void | Promise<void>;
  /** Called a few times a second during an epoch, with figures that trail the GPU by a few steps. */
  onBatchEnd?(logs: BatchLogs): void | Promise<void>;
  /** Steps between calls of `onSteps`, which needs it; counted within the epoch. */
  readonly everySteps?: number;
  /**
   * Called, and waited for, after every `everySteps` steps of an epoch. Of several replicas `logs` has the means over them. The model may
   * be evaluated and its weights read.
   */
  onSteps?(logs: StepLogs): void | Promise<void>;
  /**
   * Called after an epoch and its validation. Of several replicas `logs` has the means over them, and `replicas` what each did. A figure
   * that is added to `logs` reaches the history and the callbacks after this one, which may log and monitor it.
   */
  onEpochEnd?(logs: EpochLogs, replicas: readonly EpochLogs[]): void | Promise<void>;
  /**
   * Names of the figures that `onEpochEnd` adds to the logs, in all epochs or in some: [] for none. Where it is left out, a
   * figure that a callback after this one monitors is looked for when the first epoch ends, and not before training.
   */
  readonly adds?: readonly string[];
  /**
   * Called for every callback whose `onTrainBegin` was, however training ended. The last call that may not change the model,
   * except by a `WeightCopy`.
   * @param failure what `fit` is about to throw; null where it returns, after an interruption too. An error thrown here does not
   *   replace it
   */
  onTrainEnd?(
    history: History,
    failure: {
      /** What `fit` is about to throw. */
      error: unknown;
    } | null,
  ): void | Promise<void>;
  /** Called, and waited for, wherever training can be taken up again: for callbacks that keep its state. */
  onSafePoint?(point: SafePoint): void | Promise<void>;
  /** What this callback remembers from epoch to epoch, as a part of the state of training. */
  state?(): CallbackState | Promise<CallbackState>;
  /** Called after `onTrainBegin` where training is taken up again, with what `state` returned. */
  restore?(state: CallbackState): void | Promise<void>;
}

/** What a callback remembers from epoch to epoch, by names of its own. */
export type CallbackState = Readonly<Record<string, Saved>>;

/**
 * What messages and backups call a callback: tilegrad's own by the name written in their class, since bundlers rename classes, and any
 * other by its constructor.
 */
export const callbackName = (callback: Callback): string => {
  const tag = Object.prototype.toString.call(callback).slice('[object '.length, -1);
  if (tag !== 'Object') return tag;
  const kind = callback.constructor as unknown;
  return typeof kind === 'function' && kind !== Object ? kind.name : 'callback';
};
const HOOKS = [
  'onTrainBegin',
  'onFeatures',
  'onEpochBegin',
  'onBatchEnd',
  'onSteps',
  'onEpochEnd',
  'onTrainEnd',
  'onSafePoint',
  'state',
  'restore',
] as const;

/** @throws ArgumentError for a callback that has other things but no hook, or a method that is called nearly as one, which nobody would call */
function checkHookNames(callback: Callback): void {
  const known: readonly string[] = HOOKS;
  const names = readable('fit: callbacks', () => {
    const own = [callback, Object.getPrototypeOf(callback)].filter((one) => one && one !== Object.prototype);
    return own.flatMap((one) => Object.getOwnPropertyNames(one));
  });
  for (const name of names.filter((one) => /^on[_A-Z]/.test(one) && !known.includes(one))) {
    const meant = nearName(name, known);
    if (meant) throw new ArgumentError(`fit: callbacks: there is no hook ${name}; did you mean ${meant}?`);
  }
  const others = names.filter((name) => !['constructor', 'adds', 'everySteps'].includes(name));
  if (others.length === 0 || known.some((name) => callback[name as (typeof HOOKS)[number]])) return;
  throw new ArgumentError(`fit: callbacks: one with ${others.join(', ')} has no hook; there are ${known.join(', ')}`);
}

/** @throws ArgumentError unless all are objects whose hooks are functions */
export function checkCallbacks(callbacks: readonly Callback[]): void {
  const all = listOf('fit: callbacks', callbacks);
  if (!all) throw new ArgumentError(`fit: callbacks must be a list of callbacks, but is ${show(callbacks)}`);
  const at = all.findIndex((callback) => typeof callback !== 'object' || callback === null);
  if (at >= 0) {
    const given = typeof all[at] === 'function' ? 'a function or class; make one with new' : show(all[at]);
    throw new ArgumentError(`fit: callbacks must be a list of callbacks, but callback ${at} is ${given}`);
  }
  for (const callback of all as Callback[]) {
    readable('fit: callbacks', () => callback.everySteps);
    for (const name of HOOKS) {
      const hook = readable('fit: callbacks', () => callback[name]);
      if (hook === undefined || hook === null || typeof hook === 'function') continue;
      throw new ArgumentError(`fit: a callback's ${name} must be a function, but is ${show(hook)}`);
    }
    checkHookNames(callback);
    const adds = readable('fit: callbacks', () => callback.adds);
    if (adds === undefined || listOf('fit: adds', adds)?.every((name) => typeof name === 'string')) continue;
    throw new ArgumentError(`fit: adds of a callback must be a list of names of figures, but is ${show(adds)}`);
  }
}
