import type { Settings } from './settings.ts';

/** `opening`: there is no network yet; `failed`: training is impossible. */
export type State = 'opening' | 'paused' | 'training' | 'failed';

/** Why no device could be opened: there is no `navigator.gpu` in the worker, or no adapter grants a device. */
export type Missing = 'webgpu' | 'adapter';

/** Metrics of each replica after `step` steps. */
export interface CurvePoint {
  /** Steps since the beginning. */
  step: number;
  loss: number[];
  accuracy: number[];
}

export interface Curves {
  /** Means over the samples since the previous point. */
  train: CurvePoint[];
  /** Metrics on the test images after each epoch. */
  test: CurvePoint[];
}

/** State of the training for the page, sent a few times a second: plain data. */
export interface Snapshot {
  state: State;
  /** Whether the kernels of a step are compiled; until then, the first step takes longer. */
  isCompiled: boolean;
  settings: Settings;
  /** Steps since the beginning; panels recompute if it has changed. */
  step: number;
  /** Current epoch, from 1; `epochStep` is the number of its finished steps. */
  epoch: number;
  epochStep: number;
  stepsPerEpoch: number;
  parameters: number;
  samplesPerSecond: number | null;
  curves: Curves;
  adapter: string;
  /** Number of the network since the page was opened; another network has other weights at the same step. */
  network: number;
}
