import type { Settings } from './settings.ts';

/** `opening`: no network yet; `failed`: there is none, and `message` says why. */
export type State = 'opening' | 'paused' | 'training' | 'failed';

/** Where opening a device ended: there is no `navigator.gpu` in the worker, or its adapter gives none. */
export type Missing = 'webgpu' | 'adapter';

/** Figures of each replica after so many steps. */
export interface CurvePoint {
  /** Since the beginning. */
  step: number;
  loss: number[];
  accuracy: number[];
}

export interface Curves {
  /** Means over the samples since the point before. */
  train: CurvePoint[];
  /** On the test images, after each epoch. */
  test: CurvePoint[];
}

/** What the page shows of the training, sent a few times a second: plain data. */
export interface Snapshot {
  state: State;
  /** Whether the kernels of a step are compiled; until then, the first step takes longer. */
  isCompiled: boolean;
  settings: Settings;
  /** Steps since the beginning; panels compute anew where it has changed. */
  step: number;
  /** Epoch under way, from 1, and how many of its steps are done. */
  epoch: number;
  epochStep: number;
  stepsPerEpoch: number;
  parameters: number;
  samplesPerSecond: number | null;
  curves: Curves;
  adapter: string;
  /** Counts the networks since the page was opened: another one has other weights at the same step. */
  network: number;
}
