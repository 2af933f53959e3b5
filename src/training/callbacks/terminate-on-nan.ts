import { checkSurplus } from '../../base/check.ts';
import type { CallbackState } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { BatchLogs, EpochLogs } from './logs.ts';

/**
 * Ends training when the loss is no longer a finite number. It checks the loss a few times a second and at the end of the epoch, so that
 * training does not wait for the loss of each step.
 */
export class TerminateOnNaN implements Callback {
  /** Name in backups, because bundlers rename the class. */
  readonly [Symbol.toStringTag] = 'TerminateOnNaN';
  readonly adds = [];
  /** Epoch in which the loss was not finite, from 1; null if there was none. */
  epoch: number | null = null;
  private model: Trainable | null = null;

  /** @throws ArgumentError if it is given options: it has none */
  constructor(...surplus: never[]) {
    checkSurplus('TerminateOnNaN', surplus);
  }

  onTrainBegin({ model }: Pick<TrainInfo, 'model'>): void {
    this.model = model;
    this.epoch = null;
  }

  onBatchEnd(logs: BatchLogs): void {
    this.check(logs);
  }

  onEpochEnd(logs: EpochLogs): void {
    this.check(logs);
  }

  state(): CallbackState {
    return { epoch: this.epoch };
  }

  restore({ epoch }: CallbackState): void {
    this.epoch = epoch as number | null;
  }

  private check({ epoch, loss }: { epoch: number; loss: number }): void {
    if (Number.isFinite(loss)) return;
    this.epoch ??= epoch;
    this.model!.stopTraining = true;
  }
}
