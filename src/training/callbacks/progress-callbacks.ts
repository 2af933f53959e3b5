import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Metrics, Objective } from '../objective.ts';
import type { Callback } from './callback.ts';
import type { BatchLogs } from './logs.ts';

/** Milliseconds between calls of `onBatchEnd`. */
const PROGRESS_INTERVAL_MS = 250;

/** Position of an epoch in a training. */
interface EpochProgress {
  epoch: number;
  epochs: number;
  /** Null for a stream. */
  samplesTotal: number | null;
  /** Seconds since the epoch began. Called after the read-back, which waits for the steps submitted before. */
  seconds(): number;
}

/** Calls `onSteps` of callbacks. */
export class StepCallbacks {
  /** Null if no callback has `onSteps`. @throws ArgumentError if one has no valid `everySteps` */
  static create(objective: Objective, callbacks: readonly Callback[]): StepCallbacks | null {
    const withSteps = callbacks.filter((callback) => callback.onSteps);
    for (const { everySteps } of withSteps) {
      if (Number.isInteger(everySteps) && everySteps! > 0) continue;
      throw new ArgumentError(
        `fit: a callback with onSteps needs everySteps, a positive integer, but it is ${formatValue(everySteps)}`,
      );
    }
    return withSteps.length > 0 ? new StepCallbacks(objective, withSteps) : null;
  }

  private constructor(
    private readonly objective: Objective,
    private readonly callbacks: readonly Callback[],
  ) {}

  /** Calls `onSteps` where due, with metrics read from the GPU. @param position.step steps of the epoch so far */
  async afterStep({ epoch, step }: { epoch: number; step: number }): Promise<void> {
    const due = this.callbacks.filter(({ everySteps }) => step % everySteps! === 0);
    if (due.length === 0) return;
    const { samples, metrics, replicas } = await this.objective.read();
    for (const callback of due) await callback.onSteps!({ epoch, step, samples, logs: metrics, replicas });
  }
}

/** Calls `onBatchEnd` a few times a second. Training does not wait for it; an error is thrown at the next step or the epoch's end. */
export class ProgressCallbacks {
  private reading: Promise<void> | null = null;
  private failure: { error: unknown } | null = null;
  private lastReadTime = performance.now();

  constructor(
    private readonly objective: Objective,
    private readonly callbacks: readonly Callback[],
  ) {}

  /** Whether the next call of `afterStep` reads the totals. */
  get isDue(): boolean {
    if (this.reading || performance.now() - this.lastReadTime < PROGRESS_INTERVAL_MS) return false;
    return this.callbacks.some((callback) => callback.onBatchEnd);
  }

  /** Starts a read-back if one is due. @throws what a callback threw */
  afterStep(progress: EpochProgress): void {
    this.throwFailure();
    if (!this.isDue) return;
    this.lastReadTime = performance.now();
    this.reading = this.objective
      .read()
      .then(async (read) => {
        const logs = batchLogs(progress, read);
        for (const callback of this.callbacks) await callback.onBatchEnd?.(logs);
      })
      .catch((error: unknown) => {
        this.failure = { error };
      })
      .finally(() => {
        this.reading = null;
      });
  }

  /** Waits for the callbacks. @throws what a callback threw */
  async finish(): Promise<void> {
    await this.reading;
    this.throwFailure();
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error;
  }
}

function batchLogs(
  { epoch, epochs, ...progress }: EpochProgress,
  { samples, metrics, replicas }: { samples: number; metrics: Metrics; replicas: readonly Metrics[] },
): BatchLogs {
  const seconds = progress.seconds();
  const samplesTotal = progress.samplesTotal ?? samples;
  const samplesLeft = (epochs - epoch + 1) * samplesTotal - samples;
  const secondsLeft = samples > 0 ? (samplesLeft * seconds) / samples : 0;
  const samplesPerSecond = (replicas.length * samples) / seconds;
  return { epoch, epochs, samples, samplesTotal, ...metrics, samplesPerSecond, secondsLeft };
}
