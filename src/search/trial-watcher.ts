import { formatValue } from '../base/check.ts';
import { WeightCopy } from '../nn/weights/weight-copy.ts';
import { MonitoredMetric } from '../training/callbacks/monitor.ts';
import type { Callback, CallbackState, EpochLogs, History, Model, TrainInfo } from '../training/index.ts';
import type { SafePoint } from '../training/state/training-state.ts';
import { isBetter, metricOf } from './objective.ts';
import { isPruned } from './pruning.ts';
import type { TrialDescription } from './trial.ts';

/** Watches a trial while it trains: keeps the weights of its best epoch on the GPU and decides whether it is pruned. */
export class TrialWatcher implements Callback {
  /** Its name in backups, because a bundler may rename the class. */
  readonly [Symbol.toStringTag] = 'TrialWatcher';
  readonly adds = [];
  /** The best value of each execution; null before the first finite one. */
  best: (number | null)[];
  /** The epoch, from 1, of the first execution's best value. */
  bestEpoch: number | null = null;
  /** Why the trial was pruned. */
  pruned: string | null = null;
  /** The epochs, also of a training that failed. */
  history: Pick<History, 'replicas'> = { replicas: [] };
  /** Seconds until the first step was done; null before. */
  setUp: number | null = null;
  /** An error of the search itself, not of this trial. */
  searchError: unknown = null;
  private readonly monitored: MonitoredMetric;
  private readonly startTime = performance.now();
  /** Seconds that the trial took before it was interrupted, until its last backup. */
  private secondsBefore = 0;
  /** The best mean over the executions of any epoch. */
  private bestMean: number | null = null;
  private model: Model | null = null;
  private copy: WeightCopy | null = null;

  constructor(private readonly description: Pick<TrialDescription, 'objective' | 'epochs' | 'executions' | 'medians'>) {
    this.best = Array(description.executions).fill(null);
    this.monitored = new MonitoredMetric('search: objective', description.objective.name);
  }

  /** Seconds of the trial so far, those before an interruption included. */
  get seconds(): number {
    return this.secondsBefore + (performance.now() - this.startTime) / 1000;
  }

  /** @throws ArgumentError if nothing reports the objective */
  onTrainBegin({ model, ...metrics }: Pick<TrainInfo, 'model' | 'monitored' | 'added'>): void {
    this.model = model;
    this.captureError(() => this.monitored.begin(metrics));
  }

  onSafePoint({ after }: Pick<SafePoint, 'after'>): void {
    if (after === 'step') this.setUp ??= this.seconds;
  }

  /** @throws ArgumentError if the first epoch shows that nothing reports the objective */
  onEpochEnd(logs: EpochLogs, replicas: readonly EpochLogs[]): void {
    const { objective, medians, epochs } = this.description;
    this.captureError(() => this.monitored.read(logs));
    // Metrics that a callback adds are only in `logs`.
    const mean = metricOf(logs, objective.name);
    for (const [r, replicaLogs] of replicas.entries()) {
      const value = metricOf(replicaLogs, objective.name) ?? mean;
      if (value === null || !isBetter(objective, value, this.best[r]!)) continue;
      this.best[r] = value;
      if (r > 0) continue;
      this.bestEpoch = logs.epoch;
      this.copy ??= new WeightCopy(this.model!.parameters);
      this.copy.save();
    }
    if (mean !== null && isBetter(objective, mean, this.bestMean)) this.bestMean = mean;
    // A loss that is not finite does not recover, so the remaining epochs would be wasted.
    if (replicas.some(({ loss }) => !Number.isFinite(loss))) this.model!.stopTraining = true;
    const median = logs.epoch < epochs ? (medians?.[logs.epoch - 1] ?? null) : null;
    if (!isPruned(objective, this.bestMean, median)) return;
    this.pruned ??=
      `after epoch ${logs.epoch} its best ${objective.name} was ${formatValue(this.bestMean)}, ` +
      `but the median of the trials before it ${formatValue(median)}`;
    this.model!.stopTraining = true;
  }

  async state(): Promise<CallbackState> {
    const { best, bestEpoch, bestMean, pruned, copy, setUp, seconds: secondsBefore } = this;
    const weights = copy ? await copy.read() : null;
    return { best: [...best], bestEpoch, bestMean, pruned, setUp, secondsBefore, weights };
  }

  restore({ weights, ...state }: CallbackState): void {
    Object.assign(this, state);
    this.monitored.isOptional = true;
    if (!weights) return;
    this.copy ??= new WeightCopy(this.model!.parameters);
    this.copy.write(weights as Float32Array<ArrayBuffer>[]);
  }

  onTrainEnd(history: History): void {
    this.history = history;
  }

  /** Restores the weights of the best epoch. */
  restoreBest(): void {
    this.copy?.restore();
  }

  private captureError(read: () => unknown): void {
    try {
      read();
    } catch (error) {
      this.searchError = error;
      throw error;
    }
  }
}
