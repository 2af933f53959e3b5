import type { History } from '../callbacks/logs.ts';

/** A value in a state of training: JSON, numbers including NaN and infinities, and typed arrays. */
export type StateValue =
  | null
  | boolean
  | number
  | string
  | Float32Array
  | Uint32Array
  | readonly StateValue[]
  | { readonly [key: string]: StateValue };

/**
 * A value in a state of training.
 * @deprecated Use `StateValue`.
 */
export type Saved = StateValue;

/** State of a callback that a resumed training restores, by names that the callback chooses. */
export type CallbackState = Readonly<Record<string, StateValue>>;

/**
 * Position between two steps of `fit`.
 * @inline
 */
export interface Position {
  /** Current epoch, from 1. */
  epoch: number;
  /** Steps of the epoch that were trained. */
  step: number;
  /** Whether `onEpochBegin` of the epoch was called. */
  begun: boolean;
}

/**
 * Everything that a resumed `fit` depends on. Random numbers depend only on seed, epoch and step, so no generator has a state.
 */
export interface TrainingState {
  /** Description of model, data and options; must be the same in the `fit` that resumes. */
  run: Readonly<Record<string, StateValue>>;
  /** Position between two steps. */
  position: Position;
  /** Whether a callback has ended training. */
  stopTraining: boolean;
  /** Values of the flat weight buffers: those that are trained, then those that are not. */
  weights: readonly Float32Array<ArrayBuffer>[];
  /** The optimizer's state. */
  optimizer: {
    /** Steps taken so far. */
    iterations: number;
    /** Learning rates that were assigned: one, or one for each replica if they differ; null for a schedule. */
    fixedRates: readonly number[] | null;
    /** Learning rate of the next step, of the first replica. */
    learningRate: number;
    /** With a schedule for each replica: their rates for the next step. */
    scheduledRates?: readonly number[];
    /** State for each weight, such as momentum, in the layout of the weights. */
    slots: readonly Float32Array<ArrayBuffer>[];
  };
  /** Totals of loss and metrics over the current epoch so far. */
  totals: Uint32Array<ArrayBuffer>;
  /** Logs of the finished epochs. */
  history: Pick<History, 'epochs' | 'replicas'>;
  /** Duration of training so far. */
  seconds: {
    /** Seconds since training began. */
    whole: number;
    /** Seconds since the current epoch began. */
    epoch: number;
  };
  /** States of the callbacks that have a `state`, in their order. */
  callbacks: readonly CallbackState[];
}

/** A position from which training can be resumed. */
export interface SafePoint {
  /** After a step, after an epoch with its validation and callbacks, or after a signal ended `fit` early. */
  after: 'step' | 'epoch' | 'interruption';
  /** Returns the state of training at this position. Await it before `onSafePoint` returns. Waits for the GPU. */
  capture(): Promise<TrainingState>;
}
