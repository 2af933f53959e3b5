import { checkFlag, checkOptions } from '../../base/check.ts';
import { WeightCopy } from '../../nn/weights/weight-copy.ts';
import type { CallbackState } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { EpochLogs, History } from './logs.ts';
import { type LoggedMetrics, Monitor } from './monitor.ts';
import { checkNumber, type MonitorOptions, monitorOptionNames } from './options.ts';

/** Options of `EarlyStopping`. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Smallest change that counts as an improvement; smaller or equal ones do not. Default 0. */
  minDelta?: number;
  /** Epochs without improvement after which training ends. Default 0. */
  patience?: number;
  /** Value that must be exceeded: training ends after `patience` epochs that do not. Default none. */
  baseline?: number | null;
  /** Whether the weights of the best epoch are restored at the end, whether or not training stopped early. Default false. */
  restoreBestWeights?: boolean;
  /** Epochs at the beginning that are ignored. Default 0. */
  startFromEpoch?: number;
}

/**
 * Ends training when a metric has stopped improving, by Keras's rules. The best weights are kept on the GPU.
 */
export class EarlyStopping implements Callback {
  /** Name in backups, because bundlers rename the class. */
  readonly [Symbol.toStringTag] = 'EarlyStopping';
  readonly adds = [];
  /** Best value so far; null before there is one. */
  best: number | null = null;
  /** Epoch of the best value, from 1; 0 before there is one. */
  bestEpoch = 0;
  /** Epoch after which training was stopped, from 1; 0 if it was not. */
  stoppedEpoch = 0;
  private readonly monitor: Monitor;
  private readonly minDelta: number;
  private readonly patience: number;
  private readonly baseline: number | null;
  private readonly restoreBestWeights: boolean;
  private readonly startFromEpoch: number;
  private model: Trainable | null = null;
  private copy: WeightCopy | null = null;
  private wait = 0;

  /** @throws ArgumentError */
  constructor(options: EarlyStoppingOptions = {}, ...surplus: never[]) {
    const subject = 'EarlyStopping';
    checkOptions(
      subject,
      options,
      {
        ...monitorOptionNames,
        minDelta: true,
        patience: true,
        baseline: true,
        restoreBestWeights: true,
        startFromEpoch: true,
      },
      surplus,
    );
    this.monitor = new Monitor(subject, options.monitor ?? 'valLoss', options.mode);
    this.minDelta = Math.abs(checkNumber(subject, 'minDelta', options.minDelta ?? 0, 'finite'));
    this.patience = checkNumber(subject, 'patience', options.patience ?? 0, 'whole');
    this.baseline = options.baseline == null ? null : checkNumber(subject, 'baseline', options.baseline, 'finite');
    this.restoreBestWeights = checkFlag(subject, 'restoreBestWeights', options.restoreBestWeights ?? false);
    this.startFromEpoch = checkNumber(subject, 'startFromEpoch', options.startFromEpoch ?? 0, 'whole');
  }

  /** @throws ArgumentError if the logs will not have the metric */
  onTrainBegin(info: Pick<TrainInfo, 'model'> & LoggedMetrics): void {
    this.monitor.begin(info);
    this.model = info.model;
    this.disposeCopy();
    this.best = null;
    this.wait = this.bestEpoch = this.stoppedEpoch = 0;
  }

  onEpochEnd(logs: EpochLogs): void {
    const { epoch } = logs;
    const current = this.monitor.read(logs);
    if (current === null || epoch <= this.startFromEpoch) return;
    // The first weights are the best so far, even if their metric is NaN.
    if (this.restoreBestWeights && this.bestEpoch === 0) this.saveBest(epoch);
    this.wait++;
    if (this.isBetter(current, this.best)) {
      this.best = current;
      this.saveBest(epoch);
      if (this.baseline === null || this.isBetter(current, this.baseline)) this.wait = 0;
      return;
    }
    if (this.wait >= this.patience && epoch > 1) {
      this.stoppedEpoch = epoch;
      this.model!.stopTraining = true;
    }
  }

  async state(): Promise<CallbackState> {
    const { best, bestEpoch, stoppedEpoch, wait, copy } = this;
    return { best, bestEpoch, stoppedEpoch, wait, weights: copy ? await copy.read() : null };
  }

  restore({ weights, ...state }: CallbackState): void {
    Object.assign(this, state);
    this.monitor.resume();
    if (!this.restoreBestWeights || !weights) return;
    this.copy ??= new WeightCopy(this.model!.parameters);
    this.copy.write(weights as Float32Array<ArrayBuffer>[]);
  }

  /** Restores the best weights, also after an error. @throws DeviceLostError, DisposedError */
  onTrainEnd(history: Pick<History, 'diverged'>): void {
    try {
      this.copy?.restore();
      if (this.copy && Number.isFinite(this.best ?? Number.NaN)) history.diverged = [];
    } finally {
      this.disposeCopy();
    }
  }

  private saveBest(epoch: number): void {
    if (this.restoreBestWeights && this.bestEpoch !== epoch) {
      this.copy ??= new WeightCopy(this.model!.parameters);
      this.copy.save();
    }
    this.bestEpoch = epoch;
  }

  private isBetter(value: number, reference: number | null): boolean {
    const { higherIsBetter } = this.monitor;
    if (reference === null) return higherIsBetter ? value > -Infinity : value < Infinity;
    return higherIsBetter ? value - this.minDelta > reference : value + this.minDelta < reference;
  }

  private disposeCopy(): void {
    this.copy?.dispose();
    this.copy = null;
  }
}
