import type { FirstError } from '../first-error.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { History } from './logs.ts';

/** The callbacks of a `fit`: those that have begun are ended, however it ends. */
export class CallbackList {
  private readonly begun: Callback[] = [];

  constructor(private readonly callbacks: readonly Callback[]) {}

  /** Calls `onTrainBegin`. */
  async begin(info: Omit<TrainInfo, 'added'>): Promise<void> {
    // Those that keep the state of training come first: where theirs is refused, no log has been begun anew.
    const [keeping, others] = [true, false].map((is) =>
      this.callbacks.filter((one) => is === Boolean(one.onSafePoint)),
    );
    for (const callback of [...keeping!, ...others!]) {
      await callback.onTrainBegin?.({ ...info, added: this.addedBefore(callback) });
      this.begun.push(callback);
    }
  }

  /** Calls `onTrainEnd` of every callback that has begun; the first error of all stays the one that `failed` has. */
  async end(history: History, failed: FirstError): Promise<void> {
    for (const callback of this.callbacks.filter((one) => this.begun.includes(one))) {
      const failure = failed.hasError ? { error: failed.error } : null;
      await failed.try(() => callback.onTrainEnd?.(history, failure));
    }
  }

  /** Names of figures that callbacks before this one add to the logs; null if some do not say which. */
  private addedBefore(callback: Callback): readonly string[] | null {
    const before = this.callbacks.slice(0, this.callbacks.indexOf(callback)).filter(({ onEpochEnd }) => onEpochEnd);
    return before.every(({ adds }) => adds) ? before.flatMap(({ adds }) => adds!) : null;
  }
}
