import { formatValue, nearName, readList, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Optimizer } from '../../nn/optimizers/index.ts';
import type { CallbackState, SafePoint, TrainingState } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import type { BatchLogs, EpochLogs, FeatureLogs, History, StepLogs } from './logs.ts';

/** What is about to be trained. */
export interface TrainInfo<M = Trainable> {
  /** The model that is trained. */
  model: M;
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

/** Hooks into `fit`, as in Keras: what `Callback` of model.ts is for any trainable. */
export interface Callback<M = Trainable> {
  /** Called before the first epoch. */
  onTrainBegin?(info: TrainInfo<M>): void | Promise<void>;
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
  const names = tryRead('fit: callbacks', () => {
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
  const all = readList('fit: callbacks', callbacks);
  if (!all) throw new ArgumentError(`fit: callbacks must be a list of callbacks, but is ${formatValue(callbacks)}`);
  const at = all.findIndex((callback) => typeof callback !== 'object' || callback === null);
  if (at >= 0) {
    const given = typeof all[at] === 'function' ? 'a function or class; make one with new' : formatValue(all[at]);
    throw new ArgumentError(`fit: callbacks must be a list of callbacks, but callback ${at} is ${given}`);
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
    throw new ArgumentError(`fit: adds of a callback must be a list of names of figures, but is ${formatValue(adds)}`);
  }
}
