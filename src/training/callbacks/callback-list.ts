import type { FirstError } from '../first-error.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { History } from './logs.ts';

/** Calls `onTrainBegin` and `onTrainEnd`: the latter, also after an error, for each callback whose `onTrainBegin` returned. */
export class CallbackList {
  private readonly started: Callback[] = [];

  constructor(private readonly callbacks: readonly Callback[]) {}

  /** Calls `onTrainBegin`. */
  async begin(info: Omit<TrainInfo, 'added'>): Promise<void> {
    // Callbacks that save the state come first: if they refuse to resume, no other callback has overwritten its log.
    const saving = this.callbacks.filter(({ onSafePoint }) => onSafePoint);
    const others = this.callbacks.filter(({ onSafePoint }) => !onSafePoint);
    for (const callback of [...saving, ...others]) {
      await callback.onTrainBegin?.({ ...info, added: this.metricsAddedBefore(callback) });
      this.started.push(callback);
    }
  }

  /** Calls `onTrainEnd`. @param errors receives the first error that is thrown */
  async end(history: History, errors: FirstError): Promise<void> {
    for (const callback of this.callbacks.filter((one) => this.started.includes(one))) {
      const failure = errors.hasError ? { error: errors.error } : null;
      await errors.try(() => callback.onTrainEnd?.(history, failure));
    }
  }

  /** Names of metrics that callbacks before this one may add to the logs; null if one of them has no `adds`. */
  private metricsAddedBefore(callback: Callback): readonly string[] | null {
    const before = this.callbacks.slice(0, this.callbacks.indexOf(callback)).filter(({ onEpochEnd }) => onEpochEnd);
    return before.every(({ adds }) => adds) ? before.flatMap(({ adds }) => adds!) : null;
  }
}
