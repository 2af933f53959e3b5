import { checkF32, checkOptions, formatValue, SMALLEST_F32 } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { type Optimizer, settableRates } from '../../nn/optimizers/optimizer.ts';
import type { CallbackState } from '../state/training-state.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { EpochLogs } from './logs.ts';
import { type LoggedMetrics, Monitor } from './monitor.ts';
import { checkNumber, type MonitorOptions, monitorOptionNames } from './options.ts';

/** Options of `ReduceLROnPlateau`. */
export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** Factor on the rate, or on the rate of each replica; above 0 and below 1. Default 0.1. */
  factor?: number;
  /** Epochs without improvement after which the rate is reduced. Default 10. */
  patience?: number;
  /** Smallest change that counts as an improvement; smaller or equal ones do not. Default 1e-4. */
  minDelta?: number;
  /** Epochs after a reduction that do not count for `patience`. Default 0. */
  cooldown?: number;
  /** Lower limit of the rate. Default 0. */
  minLearningRate?: number;
}

const CLASS = 'ReduceLROnPlateau';

/** Reduces the learning rate when a metric has stopped improving, by Keras's rules. */
export class ReduceLROnPlateau implements Callback {
  /** Name in backups, because bundlers rename the class. */
  readonly [Symbol.toStringTag] = 'ReduceLROnPlateau';
  readonly adds = [];
  private readonly monitor: Monitor;
  private readonly factor: number;
  private readonly patience: number;
  private readonly minDelta: number;
  private readonly cooldown: number;
  private readonly minLearningRate: number;
  private optimizer: Optimizer | null = null;
  private best = 0;
  private wait = 0;
  private cooldownLeft = 0;

  /** @throws ArgumentError */
  constructor(options: ReduceLROnPlateauOptions = {}, ...surplus: never[]) {
    checkOptions(
      CLASS,
      options,
      {
        ...monitorOptionNames,
        factor: true,
        patience: true,
        minDelta: true,
        cooldown: true,
        minLearningRate: true,
      },
      surplus,
    );
    this.monitor = new Monitor(CLASS, options.monitor ?? 'valLoss', options.mode);
    this.factor = options.factor ?? 0.1;
    if (typeof this.factor !== 'number' || !(this.factor > 0 && this.factor < 1)) {
      throw new ArgumentError(`${CLASS}: factor must lie between 0 and 1, but is ${formatValue(options.factor)}`);
    }
    this.patience = checkNumber(CLASS, 'patience', options.patience ?? 10, 'whole');
    this.minDelta = checkNumber(CLASS, 'minDelta', options.minDelta ?? 1e-4, 'notNegative');
    this.cooldown = checkNumber(CLASS, 'cooldown', options.cooldown ?? 0, 'whole');
    const least = checkNumber(CLASS, 'minLearningRate', options.minLearningRate ?? 0, 'notNegative');
    this.minLearningRate = Math.max(checkF32(`${CLASS}: minLearningRate`, least), SMALLEST_F32); // kernels flush smaller rates to 0
  }

  /** @throws ArgumentError if the logs will not have the metric, or if the optimizer has a schedule */
  onTrainBegin(info: Pick<TrainInfo, 'optimizer'> & LoggedMetrics): void {
    this.monitor.begin(info);
    settableRates(CLASS, info.optimizer);
    this.optimizer = info.optimizer;
    this.best = this.monitor.higherIsBetter ? -Infinity : Infinity;
    this.wait = this.cooldownLeft = 0;
  }

  state(): CallbackState {
    const { best, wait, cooldownLeft } = this;
    return { best, wait, cooldownLeft };
  }

  restore(state: CallbackState): void {
    Object.assign(this, state);
    this.monitor.resume();
  }

  onEpochEnd(logs: EpochLogs): void {
    const current = this.monitor.read(logs);
    if (current === null) return;
    if (this.cooldownLeft > 0) {
      this.cooldownLeft--;
      this.wait = 0;
    }
    const { best, minDelta } = this;
    if (this.monitor.higherIsBetter ? current > best + minDelta : current < best - minDelta) {
      this.best = current;
      this.wait = 0;
      return;
    }
    if (this.cooldownLeft > 0 || ++this.wait < this.patience) return;
    const optimizer = this.optimizer!;
    const rates = settableRates(CLASS, optimizer);
    if (rates.every((rate) => rate <= this.minLearningRate)) return;
    optimizer.learningRate = rates.map((rate) => Math.min(rate, Math.max(rate * this.factor, this.minLearningRate)));
    this.cooldownLeft = this.cooldown;
    this.wait = 0;
  }
}
