import { checkSurplus } from '../../base/check.ts';
import type { CallbackState } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { BatchLogs, EpochLogs } from './logs.ts';

/**
 * Ends training when the loss is no longer a finite number. It is seen with the next progress report, a few times a second, and
 * at the latest as the epoch ends: nothing waits for the loss of a single step.
 */
export class TerminateOnNaN implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'TerminateOnNaN';
  readonly adds = [];
  /** Epoch in which it happened, from 1; null if it did not. */
  epoch: number | null = null;
  private model: Trainable | null = null;

  /** @throws ArgumentError for options: there are none */
  constructor(...surplus: never[]) {
    checkSurplus('TerminateOnNaN', surplus);
  }

  onTrainBegin({ model }: Pick<TrainInfo, 'model'>): void {
    this.model = model;
    this.epoch = null;
  }

  onBatchEnd(logs: BatchLogs): void {
    this.look(logs);
  }

  onEpochEnd(logs: EpochLogs): void {
    this.look(logs);
  }

  state(): CallbackState {
    return { epoch: this.epoch };
  }

  restore({ epoch }: CallbackState): void {
    this.epoch = epoch as number | null;
  }

  private look({ epoch, loss }: { epoch: number; loss: number }): void {
    if (Number.isFinite(loss)) return;
    this.epoch ??= epoch;
    this.model!.stopTraining = true;
  }
}
