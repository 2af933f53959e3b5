import { checkSurplus, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { settableRates } from '../../nn/optimizers/optimizer.ts';
import type { Callback } from './callback.ts';

/**
 * Sets the learning rate at the beginning of each epoch, as Keras's callback of this name. `schedule` is called with the epoch, counted
 * from 0 as in Keras (`EpochLogs.epoch` counts from 1), and the current rate. If replicas have different rates, it is called for each.
 */
export class LearningRateScheduler implements Callback {
  /** @throws ArgumentError unless `schedule` is a function */
  constructor(
    private readonly schedule: (epoch: number, learningRate: number) => number,
    ...surplus: never[]
  ) {
    checkSurplus('LearningRateScheduler', surplus);
    if (typeof schedule !== 'function') {
      throw new ArgumentError(
        `LearningRateScheduler: takes a function (epoch, learningRate) => rate, not ${formatValue(schedule)}`,
      );
    }
  }

  /** @throws ArgumentError if the optimizer has a schedule */
  onEpochBegin({ epoch, optimizer }: Parameters<NonNullable<Callback['onEpochBegin']>>[0]): void {
    const rates = settableRates('LearningRateScheduler', optimizer);
    optimizer.learningRate = rates.map((rate) => this.schedule(epoch - 1, rate));
  }
}
