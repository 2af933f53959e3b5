import { formatValue, nearName, readList, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Optimizer } from '../../nn/optimizers/index.ts';
import type { CallbackState, SafePoint, TrainingState } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import type { BatchLogs, EpochLogs, FeatureLogs, History, StepLogs } from './logs.ts';

/** What `onTrainBegin` is given: model, optimizer and options of the training. */
export interface TrainInfo<M = Trainable> {
  /** The model that is trained. */
  model: M;
  /** The optimizer that `compile` chose. */
  optimizer: Optimizer;
  /** Number of the last epoch. */
  epochs: number;
  /** Epochs that earlier calls trained. */
  initialEpoch: number;
  /** Samples of an epoch; null for a stream. */
  samples: number | null;
  /** Samples of a step; null for a stream. */
  batchSize: number | null;
  /** Names of the metrics that the logs of each epoch will have: `loss`, `valLoss`, ... */
  monitored: readonly string[];
  /**
   * Names of the metrics that earlier callbacks may add, from their `adds`. Null if one of them has `onEpochEnd` but no `adds`.
   */
  added: readonly string[] | null;
  /**
   * Continues training from a state that a `SafePoint` captured, after `onTrainBegin` of all callbacks.
   * @param name name of the state in messages. Default `resume`
   * @throws ArgumentError, with the differences, if the state is of another training
   */
  resume(state: TrainingState, name?: string): Promise<void>;
}

/** Hooks into `fit`, as in Keras. `Callback` in model.ts is this interface for `Model`. */
export interface Callback<M = Trainable> {
  /** Called before the first epoch. */
  onTrainBegin?(info: TrainInfo<M>): void | Promise<void>;
  /** Called a few times a second while `cacheFeatures` computes features, and when they are complete. `fit` awaits each call. */
  onFeatures?(logs: FeatureLogs): void | Promise<void>;
  /** Called before an epoch. A rate assigned to `optimizer.learningRate` takes effect with this epoch. */
  onEpochBegin?(info: {
    /** Epoch that begins, from 1. */
    epoch: number;
    /** The optimizer that `compile` chose. */
    optimizer: Optimizer;
  }): void | Promise<void>;
  /** Called a few times a second during an epoch, with metrics that are a few steps behind. */
  onBatchEnd?(logs: BatchLogs): void | Promise<void>;
  /** Steps between calls of `onSteps`, counted within the epoch. Required with `onSteps`. */
  readonly everySteps?: number;
  /**
   * Called after every `everySteps` steps of an epoch; `fit` awaits each call. With several replicas, `logs` has the means over them. It may
   * evaluate the model and read its weights.
   */
  onSteps?(logs: StepLogs): void | Promise<void>;
  /**
   * Called after an epoch and its validation. With several replicas, `logs` has the means over them and `replicas` the logs of each. A
   * metric that it adds to `logs` is in the history, and later callbacks can log and monitor it.
   */
  onEpochEnd?(logs: EpochLogs, replicas: readonly EpochLogs[]): void | Promise<void>;
  /**
   * Names of the metrics that `onEpochEnd` adds to the logs in all or some epochs; [] for none. If it is left out, a misspelled metric of a
   * later callback is an error only at the end of the first epoch, instead of before training.
   */
  readonly adds?: readonly string[];
  /**
   * Called at the end of training, also after an error, if `onTrainBegin` returned. It must not change the model, except by a
   * `WeightCopy`.
   * @param failure the error that `fit` throws afterwards; null if it returns, also after an interruption. An error thrown here does not
   *   replace it
   */
  onTrainEnd?(
    history: History,
    failure: {
      /** The error that `fit` throws afterwards. */
      error: unknown;
    } | null,
  ): void | Promise<void>;
  /** Called at every position from which training can be resumed, for callbacks that save its state. `fit` awaits each call. */
  onSafePoint?(point: SafePoint): void | Promise<void>;
  /** Returns the state of this callback, to be saved with the state of training. */
  state?(): CallbackState | Promise<CallbackState>;
  /** Called after `onTrainBegin` in a resumed training, with the value that `state` returned. */
  restore?(state: CallbackState): void | Promise<void>;
}

/**
 * Name of a callback in messages and backups: the `Symbol.toStringTag` of tilegrad's classes, because bundlers rename classes, or the name of
 * the constructor.
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

/** @throws ArgumentError if a callback has members but no hook, or a misspelled hook, which would never be called */
function checkHookNames(callback: Callback): void {
  const known: readonly string[] = HOOKS;
  const names = tryRead('fit: callbacks', () => {
    const objects = [callback, Object.getPrototypeOf(callback)].filter((one) => one && one !== Object.prototype);
    return objects.flatMap((one) => Object.getOwnPropertyNames(one));
  });
  for (const name of names.filter((one) => /^on[_A-Z]/.test(one) && !known.includes(one))) {
    const meant = nearName(name, known);
    if (meant) throw new ArgumentError(`fit: callbacks: there is no hook ${name}; did you mean ${meant}?`);
  }
  const others = names.filter((name) => !['constructor', 'adds', 'everySteps'].includes(name));
  if (others.length === 0 || known.some((name) => callback[name as (typeof HOOKS)[number]])) return;
  throw new ArgumentError(
    `fit: callbacks: a callback with ${others.join(', ')} has no hook; hooks are ${known.join(', ')}`,
  );
}

/** @throws ArgumentError unless callbacks are objects whose hooks are functions */
export function checkCallbacks(callbacks: readonly Callback[]): void {
  const all = readList('fit: callbacks', callbacks);
  if (!all) throw new ArgumentError(`fit: callbacks must be a list of callbacks, but is ${formatValue(callbacks)}`);
  const index = all.findIndex((callback) => typeof callback !== 'object' || callback === null);
  if (index >= 0) {
    const description =
      typeof all[index] === 'function' ? 'a function or class; create an object with new' : formatValue(all[index]);
    throw new ArgumentError(`fit: callbacks must be a list of callbacks, but callback ${index} is ${description}`);
  }
  for (const callback of all as Callback[]) {
    tryRead('fit: callbacks', () => callback.everySteps);
    for (const name of HOOKS) {
      const hook = tryRead('fit: callbacks', () => callback[name]);
      if (hook === undefined || hook === null || typeof hook === 'function') continue;
      throw new ArgumentError(`fit: a callback's ${name} must be a function, but is ${formatValue(hook)}`);
    }
    checkHookNames(callback);
    const adds = tryRead('fit: callbacks', () => callback.adds);
    if (adds === undefined || readList('fit: adds', adds)?.every((name) => typeof name === 'string')) continue;
    throw new ArgumentError(`fit: adds of a callback must be a list of names of metrics, but is ${formatValue(adds)}`);
  }
}
