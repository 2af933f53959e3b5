import type { History } from '../callbacks/logs.ts';

/** What a state of training is made of: JSON, numbers of every kind, and typed arrays. */
export type StateValue =
  | null
  | boolean
  | number
  | string
  | Float32Array
  | Uint32Array
  | readonly StateValue[]
  | { readonly [key: string]: StateValue };

/** What a callback remembers from epoch to epoch, by names of its own. */
export type CallbackState = Readonly<Record<string, StateValue>>;

/**
 * A place between two steps of `fit`.
 * @inline
 */
export interface Position {
  /** The epoch under way, from 1. */
  epoch: number;
  /** How many of its steps were done. */
  step: number;
  /** Whether its `onEpochBegin` was called. */
  begun: boolean;
}

/**
 * All that the further course of `fit` depends on. Random numbers are those of seed, epoch and step, so that a generator has no
 * state besides.
 */
export interface TrainingState {
  /** What must be the same where training is taken up again. */
  run: Readonly<Record<string, StateValue>>;
  /** Where training stands. */
  position: Position;
  /** Whether a callback has ended training. */
  stopTraining: boolean;
  /** Trained and untrained. */
  weights: readonly Float32Array<ArrayBuffer>[];
  /** The optimizer's state. */
  optimizer: {
    /** Steps taken so far. */
    iterations: number;
    /** As they were assigned, of each replica where they differ; null for a schedule. */
    fixedRates: readonly number[] | null;
    /** The (first) rate of the next step. */
    learningRate: number;
    /** Of several schedules: what each gives for the next step. */
    scheduledRates?: readonly number[];
    /** What it remembers of each weight, in the layout of the weights. */
    slots: readonly Float32Array<ArrayBuffer>[];
  };
  /** What the epoch's steps so far added up. */
  totals: Uint32Array<ArrayBuffer>;
  /** The epochs finished. */
  history: Pick<History, 'epochs' | 'replicas'>;
  /** How long training has taken. */
  seconds: {
    /** Seconds since the beginning. */
    whole: number;
    /** Seconds since the beginning of the epoch under way. */
    epoch: number;
  };
  /** What the callbacks that have a `state` remember, in their order. */
  callbacks: readonly CallbackState[];
}

/** Where training can be taken up again. */
export interface SafePoint {
  /** After a step, after an epoch (validation and callbacks included), or where a signal ended `fit` early. */
  after: 'step' | 'epoch' | 'interruption';
  /** The state of training here; to be awaited before `onSafePoint` ends. Waits for the GPU. */
  capture(): Promise<TrainingState>;
}
