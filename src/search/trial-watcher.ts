import { formatValue } from '../base/check.ts';
import { WeightCopy } from '../nn/weights/weight-copy.ts';
import { MonitoredMetric } from '../training/callbacks/monitor.ts';
import type { Callback, CallbackState, EpochLogs, History, Model, TrainInfo } from '../training/index.ts';
import type { SafePoint } from '../training/state/training-state.ts';
import { figureOf, isBetter } from './objective.ts';
import { isPruned } from './pruning.ts';
import type { TrialDescription } from './trial.ts';

/** What a search looks at while a trial trains: its best epoch, whose weights stay on the GPU, and whether to go on. */
export class TrialWatcher implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'TrialWatcher';
  readonly adds = [];
  /** The best value of each execution; null before there is a finite one. */
  best: (number | null)[];
  /** The epoch, from 1, of the first execution's best value. */
  bestEpoch: number | null = null;
  /** Why the trial was pruned. */
  pruned: string | null = null;
  /** The epochs, also of a training that failed. */
  history: Pick<History, 'replicas'> = { replicas: [] };
  /** Seconds until the first step was done; null before. */
  setUp: number | null = null;
  /** What is wrong with the search itself, and not with this trial. */
  wrong: unknown = null;
  private readonly figure: MonitoredMetric;
  private readonly begun = performance.now();
  /** Seconds that the trial took before it was interrupted, as far as its backup knows. */
  private secondsBefore = 0;
  /** The best mean over the executions of any epoch. */
  private bestMean: number | null = null;
  private model: Model | null = null;
  private copy: WeightCopy | null = null;

  constructor(private readonly description: Pick<TrialDescription, 'objective' | 'epochs' | 'executions' | 'medians'>) {
    this.best = Array(description.executions).fill(null);
    this.figure = new MonitoredMetric('search: objective', description.objective.name);
  }

  /** Seconds of the trial so far, those before an interruption included. */
  get seconds(): number {
    return this.secondsBefore + (performance.now() - this.begun) / 1000;
  }

  /** @throws ArgumentError when nobody will report the objective */
  onTrainBegin({ model, ...figures }: Pick<TrainInfo, 'model' | 'monitored' | 'added'>): void {
    this.model = model;
    this.remember(() => this.figure.begin(figures));
  }

  onSafePoint({ after }: Pick<SafePoint, 'after'>): void {
    if (after === 'step') this.setUp ??= this.seconds;
  }

  /** @throws ArgumentError when the first epoch has shown that nobody reports the objective */
  onEpochEnd(logs: EpochLogs, replicas: readonly EpochLogs[]): void {
    const { objective, medians, epochs } = this.description;
    this.remember(() => this.figure.read(logs));
    // What a callback adds is in `logs` alone.
    const mean = figureOf(logs, objective.name);
    for (const [r, own] of replicas.entries()) {
      const value = figureOf(own, objective.name) ?? mean;
      if (value === null || !isBetter(objective, value, this.best[r]!)) continue;
      this.best[r] = value;
      if (r > 0) continue;
      this.bestEpoch = logs.epoch;
      this.copy ??= new WeightCopy(this.model!.parameters);
      this.copy.save();
    }
    if (mean !== null && isBetter(objective, mean, this.bestMean)) this.bestMean = mean;
    // Nothing good comes of it any more: the epochs that are left would be for nothing.
    if (replicas.some(({ loss }) => !Number.isFinite(loss))) this.model!.stopTraining = true;
    const against = logs.epoch < epochs ? (medians?.[logs.epoch - 1] ?? null) : null;
    if (!isPruned(objective, this.bestMean, against)) return;
    this.pruned ??=
      `after epoch ${logs.epoch} its best ${objective.name} was ${formatValue(this.bestMean)}, ` +
      `but the median of the trials before it ${formatValue(against)}`;
    this.model!.stopTraining = true;
  }

  async state(): Promise<CallbackState> {
    const { best, bestEpoch, bestMean, pruned, copy, setUp, seconds: secondsBefore } = this;
    const weights = copy ? await copy.read() : null;
    return { best: [...best], bestEpoch, bestMean, pruned, setUp, secondsBefore, weights };
  }

  restore({ weights, ...state }: CallbackState): void {
    Object.assign(this, state);
    this.figure.isOptional = true;
    if (!weights) return;
    this.copy ??= new WeightCopy(this.model!.parameters);
    this.copy.write(weights as Float32Array<ArrayBuffer>[]);
  }

  onTrainEnd(history: History): void {
    this.history = history;
  }

  /** Gives the model the weights of its best epoch back. */
  restoreBest(): void {
    this.copy?.restore();
  }

  private remember(read: () => unknown): void {
    try {
      read();
    } catch (error) {
      this.wrong = error;
      throw error;
    }
  }
}
