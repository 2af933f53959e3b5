import { type Optimizer, WeightCopy } from '../nn/index.ts';
import type { FlatOptimizer } from '../nn/optimizers/optimizer.ts';
import { ReplicaRange } from '../nn/weights/weight-copy.ts';
import { callbackName } from '../training/callbacks/callback.ts';
import { CallbackList } from '../training/callbacks/callback-list.ts';
import { divergedReplicas, type EpochLogs } from '../training/callbacks/logs.ts';
import { FirstError } from '../training/first-error.ts';
import { type History, type Model, TerminateOnNaN, type TrainInfo } from '../training/index.ts';
import type { Callback } from '../training/model.ts';
import { meanMetrics } from '../training/objective.ts';
import type { CallbackState, SafePoint } from '../training/state/training-state.ts';
import { AloneError, createRateView, createTrialView } from './trial-view.ts';

/** One of the trials that are trained together. */
export interface SharedTrial {
  /** Number of its replicas, which follow those of the trial before it. */
  replicas: number;
  callbacks: readonly Callback[];
}

/**
 * Returns why trials with these callbacks must be trained alone; null if `SharedTraining` supports the callbacks. A trial that is trained
 * with others can end only at the end of an epoch. Within an epoch, it has neither metrics nor a state of its own to resume from.
 */
export function reasonCallbacksAlone(callbacks: readonly Callback[]): string | null {
  for (const callback of callbacks) {
    // TerminateOnNaN checks again at the end of each epoch.
    const hooks = callback instanceof TerminateOnNaN ? [] : (['onBatchEnd'] as const);
    const hook = [...hooks, ...(['onSteps', 'onSafePoint', 'onFeatures'] as const)].find((name) => callback[name]);
    if (hook) return `its callback ${callbackName(callback)} has ${hook}, which acts within an epoch`;
  }
  return null;
}

/**
 * The callbacks of several trials that are replicas of one model (see `togetherModel`), as one callback of its `fit`. Those of a trial are
 * called as if it were trained alone: with its metrics and learning rates. They get a model whose structure they may read, whose training
 * they may end, and whose weights they may copy (`WeightCopy`).
 *
 * If callbacks end their trial's training (`stopTraining`) or fail it by throwing, they are not called for later epochs, and its history
 * ends there. The others continue; the training ends with the last of them. The model then has the weights of each trial's end.
 */
export class SharedTraining implements Callback {
  /** Its name in backups, because a bundler may rename the class. */
  readonly [Symbol.toStringTag] = 'SharedTraining';
  /** Metrics that a trial's callbacks add are only in that trial's logs. */
  readonly adds = [];
  /** Set only if a trial's callback has it, because `fit` then waits for steps. */
  readonly onSafePoint?: (point: SafePoint) => Promise<void>;
  private readonly trials: readonly SharedTrialState[];
  private model: Model | null = null;

  constructor(trials: readonly SharedTrial[]) {
    let first = 0;
    this.trials = trials.map(({ replicas, callbacks }) => {
      const trial = new SharedTrialState(first, replicas, callbacks);
      first += replicas;
      return trial;
    });
    if (!trials.some(({ callbacks }) => callbacks.some((callback) => callback.onSafePoint))) return;
    this.onSafePoint = ({ after }) => this.forEachTrial((trial) => trial.safePoint(after));
  }

  /** After `fit`, the history that `fit` of each trial alone would have returned. */
  get histories(): readonly History[] {
    return this.trials.map(({ history }) => history);
  }

  /** For each trial, the error that a callback threw; null if none threw. */
  get failures(): readonly ({ error: unknown } | null)[] {
    return this.trials.map(({ failed }) => (failed.hasError ? { error: failed.error } : null));
  }

  async onTrainBegin(info: TrainInfo): Promise<void> {
    this.model = info.model;
    for (const trial of this.trials) await trial.begin(info);
    this.endIfAllEnded();
  }

  onEpochBegin({ epoch }: { epoch: number }): Promise<void> {
    return this.forEachTrial((trial) => trial.beginEpoch(epoch));
  }

  onEpochEnd(_: EpochLogs, replicas: readonly EpochLogs[]): Promise<void> {
    return this.forEachTrial((trial) => trial.endEpoch(replicas));
  }

  async onTrainEnd(history: History, failure: { error: unknown } | null): Promise<void> {
    for (const trial of this.trials) await trial.end(history, failure);
    history.diverged = this.trials.flatMap(({ history: trialHistory, first }) =>
      trialHistory.diverged.map((r) => first + r),
    );
  }

  async state(): Promise<CallbackState> {
    return { trials: await Promise.all(this.trials.map((trial) => trial.state())) };
  }

  async restore({ trials }: CallbackState): Promise<void> {
    for (const [i, trial] of this.trials.entries()) await trial.restore((trials as CallbackState[])[i]!);
    this.endIfAllEnded();
  }

  private async forEachTrial(call: (trial: SharedTrialState) => Promise<void>): Promise<void> {
    for (const trial of this.trials) if (!trial.ended) await call(trial);
    this.endIfAllEnded();
  }

  private endIfAllEnded(): void {
    if (this.trials.every(({ ended }) => ended)) this.model!.stopTraining = true;
  }
}

/** One of the trials. */
class SharedTrialState {
  readonly history: History = { epochs: [], replicas: [], interrupted: false, diverged: [], seconds: 0 };
  readonly failed = new FirstError();
  /** Whether its training ended before that of the others. */
  ended = false;
  private range: ReplicaRange | null = null;
  private optimizer: Optimizer | null = null;
  private list: CallbackList;
  private readonly stop = { isRequested: false };
  /** Its weights, once it has ended. */
  private copy: WeightCopy | null = null;

  constructor(
    readonly first: number,
    private readonly count: number,
    private readonly callbacks: readonly Callback[],
  ) {
    this.list = new CallbackList(callbacks);
  }

  async begin(info: TrainInfo): Promise<void> {
    const { first, count, callbacks, stop } = this;
    this.list = new CallbackList(callbacks);
    this.range = new ReplicaRange(info.model.parameters, first, count);
    this.history.replicas = Array.from({ length: count }, () => []);
    const model = createTrialView(info.model, this.range, stop);
    this.optimizer = createRateView(info.optimizer as FlatOptimizer, first, count);
    const resume = () => Promise.reject(new AloneError('resume: trials that are trained together resume together'));
    await this.run(() => this.list.begin({ ...info, model, optimizer: this.optimizer!, resume }));
    this.endIfRequested();
  }

  async beginEpoch(epoch: number): Promise<void> {
    const optimizer = this.optimizer!;
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
      if (!this.stop.isRequested) return;
      throw new AloneError(
        'stopTraining: a trial that is trained with others can end at the end of an epoch, not at its beginning',
      );
    });
    this.endIfRequested();
  }

  async endEpoch(all: readonly EpochLogs[]): Promise<void> {
    const replicas = all.slice(this.first, this.first + this.count);
    const { epoch, learningRate, seconds, samplesPerSecond } = replicas[0]!;
    const common = { epoch, learningRate, seconds, samplesPerSecond };
    const logs: EpochLogs = replicas.length === 1 ? replicas[0]! : { ...meanMetrics(replicas), ...common };
    this.history.epochs.push(logs);
    for (const [r, replicaLogs] of replicas.entries()) this.history.replicas[r]!.push(replicaLogs);
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onEpochEnd?.(logs, replicas);
    });
    this.endIfRequested();
  }

  async safePoint(after: SafePoint['after']): Promise<void> {
    const capture = () =>
      Promise.reject(new AloneError('capture: trials that are trained together have one common backup'));
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onSafePoint?.({ after, capture });
    });
    this.endIfRequested();
  }

  async end(all: History, failure: { error: unknown } | null): Promise<void> {
    const { history, first, count } = this;
    history.interrupted = !this.ended && (all.interrupted || failure !== null);
    history.seconds = all.seconds;
    if (this.copy) {
      this.copy.restore();
      const weights = await this.copy.read();
      const isBroken = !weights.every((values) => values.every(Number.isFinite));
      // If one replica has broken weights, no replica of the trial is usable, so all count as diverged.
      const broken = new Set(isBroken ? Array.from({ length: count }, (_, r) => r) : []);
      history.diverged = divergedReplicas(history.replicas, broken);
      this.copy.dispose();
      this.copy = null;
    } else {
      history.diverged = all.diverged.filter((r) => r >= first && r < first + count).map((r) => r - first);
    }
    const outcome = new FirstError();
    await outcome.try(() => {
      if (failure) throw failure.error;
      this.failed.throw();
    });
    await this.list.end(history, outcome);
    if (!failure) await this.run(() => outcome.throw());
  }

  async state(): Promise<CallbackState> {
    const { ended, failed, history, copy } = this;
    const error = failed.error as Error | undefined;
    return {
      ended,
      failure: failed.hasError ? { name: error?.name ?? 'Error', message: error?.message ?? String(error) } : null,
      epochs: history.epochs as unknown as CallbackState[],
      replicas: history.replicas as unknown as CallbackState[][],
      weights: copy ? await copy.read() : null,
      callbacks: await Promise.all(this.callbacks.map(async (callback) => (await callback.state?.()) ?? null)),
    };
  }

  async restore(state: CallbackState): Promise<void> {
    const { history, callbacks } = this;
    this.ended = state.ended as boolean;
    history.epochs = [...(state.epochs as unknown as EpochLogs[])];
    history.replicas = (state.replicas as unknown as EpochLogs[][]).map((epochs) => [...epochs]);
    const failure = state.failure as { name: string; message: string } | null;
    if (failure)
      await this.run(() => Promise.reject(Object.assign(new Error(failure.message), { name: failure.name })));
    if (state.weights) {
      this.copy = new WeightCopy(this.range!);
      this.copy.write(state.weights as Float32Array<ArrayBuffer>[]);
    }
    for (const [i, callbackState] of (state.callbacks as (CallbackState | null)[]).entries()) {
      if (callbackState) await this.run(async () => callbacks[i]!.restore?.(callbackState));
    }
  }

  /** Calls callbacks. An error fails only this trial. */
  private async run(call: () => void | Promise<void>): Promise<void> {
    await this.failed.try(call);
    if (this.failed.hasError) this.stop.isRequested = true;
  }

  private endIfRequested(): void {
    if (!this.stop.isRequested || this.ended) return;
    this.ended = true;
    this.copy = new WeightCopy(this.range!);
    this.copy.save();
  }
}
