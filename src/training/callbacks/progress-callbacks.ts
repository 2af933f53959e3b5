import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Metrics, Objective } from '../objective.ts';
import type { Callback } from './callback.ts';
import type { BatchLogs } from './logs.ts';

/** Milliseconds between calls of `onBatchEnd`. */
const PROGRESS_INTERVAL = 250;

interface EpochProgress {
  epoch: number;
  epochs: number;
  /** Null where a stream decides. */
  samplesTotal: number | null;
  /** Since the epoch began; asked for once the figures were read, which the steps under way come before. */
  seconds(): number;
}

/** Calls `onSteps` of the callbacks that want it. */
export class StepCallbacks {
  /** Null where none does. @throws ArgumentError for one that does not say when */
  static of(objective: Objective, callbacks: readonly Callback[]): StepCallbacks | null {
    const watchers = callbacks.filter((callback) => callback.onSteps);
    for (const { everySteps } of watchers) {
      if (Number.isInteger(everySteps) && everySteps! > 0) continue;
      throw new ArgumentError(
        `fit: a callback with onSteps needs everySteps, a positive integer, but it is ${formatValue(everySteps)}`,
      );
    }
    return watchers.length > 0 ? new StepCallbacks(objective, watchers) : null;
  }

  private constructor(
    private readonly objective: Objective,
    private readonly watchers: readonly Callback[],
  ) {}

  async afterStep({ epoch, step }: { epoch: number; step: number }): Promise<void> {
    const due = this.watchers.filter(({ everySteps }) => step % everySteps! === 0);
    if (due.length === 0) return;
    const { samples, metrics, replicas } = await this.objective.read();
    for (const callback of due) await callback.onSteps!({ epoch, step, samples, logs: metrics, replicas });
  }
}

/** Reads the totals now and then without anything waiting for it; what failed surfaces at the next step or the epoch's end. */
export class ProgressCallbacks {
  private reading: Promise<void> | null = null;
  private failed: { error: unknown } | null = null;
  private lastRead = performance.now();

  constructor(
    private readonly objective: Objective,
    private readonly callbacks: readonly Callback[],
  ) {}

  /** Whether the next call of `afterStep` reads the totals. */
  get isDue(): boolean {
    if (this.reading || performance.now() - this.lastRead < PROGRESS_INTERVAL) return false;
    return this.callbacks.some((c) => c.onBatchEnd);
  }

  /** @throws what a callback threw */
  afterStep(moment: EpochProgress): void {
    this.check();
    if (!this.isDue) return;
    this.lastRead = performance.now();
    this.reading = this.objective
      .read()
      .then(async (read) => {
        const logs = batchLogs(moment, read);
        for (const callback of this.callbacks) await callback.onBatchEnd?.(logs);
      })
      .catch((error: unknown) => {
        this.failed = { error };
      })
      .finally(() => {
        this.reading = null;
      });
  }

  /** @throws what a callback threw */
  async finish(): Promise<void> {
    await this.reading;
    this.check();
  }

  private check(): void {
    if (this.failed) throw this.failed.error;
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
