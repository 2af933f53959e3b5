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
import { AloneError, rateView, viewOf } from './trial-view.ts';

/** A trial of those that are trained together. */
export interface SharedTrial {
  /** How many replicas it has, those of the trial before coming before them. */
  replicas: number;
  callbacks: readonly Callback[];
}

/**
 * Why trials with these callbacks have to be trained alone; null where `SharedTraining` serves them. A trial among others ends at the
 * end of an epoch and has no figures, and no place of its own to go on from, in the midst of one.
 */
export function reasonCallbacksAlone(callbacks: readonly Callback[]): string | null {
  for (const callback of callbacks) {
    // It looks again as each epoch ends.
    const hooks = callback instanceof TerminateOnNaN ? [] : (['onBatchEnd'] as const);
    const hook = [...hooks, ...(['onSteps', 'onSafePoint', 'onFeatures'] as const)].find((name) => callback[name]);
    if (hook)
      return `its callback ${callbackName(callback)} has ${hook}, which looks at a training in the midst of an epoch`;
  }
  return null;
}

/**
 * The callbacks of several trials that are replicas of one model (see `togetherModel`), as one callback of its `fit`. Those of a trial
 * are called as if it were trained alone: with its figures, its learning rates, and a model of which they may read what it is made of,
 * end the training, and copy the weights (`WeightCopy`).
 *
 * A trial whose training they end (`stopTraining`), or fail by throwing, hears no more of later epochs, and its history ends there. The
 * others go on; once none is left, the training ends. The model then has the weights of each trial's own end.
 */
export class SharedTraining implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'SharedTraining';
  /** What a trial's callbacks add to the logs stays with the trial. */
  readonly adds = [];
  /** Only where a trial asks for it: a training that nobody watches has no steps to wait for. */
  readonly onSafePoint?: (point: SafePoint) => Promise<void>;
  private readonly trials: readonly SharedTrialState[];
  private model: Model | null = null;

  constructor(trials: readonly SharedTrial[]) {
    let first = 0;
    this.trials = trials.map(({ replicas, callbacks }) => {
      const part = new SharedTrialState(first, replicas, callbacks);
      first += replicas;
      return part;
    });
    if (!trials.some(({ callbacks }) => callbacks.some((callback) => callback.onSafePoint))) return;
    this.onSafePoint = ({ after }) => this.forEachTrial((trial) => trial.safePoint(after));
  }

  /** What `fit` of each trial alone would have returned, after `fit`. */
  get histories(): readonly History[] {
    return this.trials.map(({ history }) => history);
  }

  /** What a callback of each trial threw; null where none did. */
  get failures(): readonly ({ error: unknown } | null)[] {
    return this.trials.map(({ failed }) => (failed.hasError ? { error: failed.error } : null));
  }

  async onTrainBegin(info: TrainInfo): Promise<void> {
    this.model = info.model;
    for (const trial of this.trials) await trial.begin(info);
    this.endIfAllHave();
  }

  onEpochBegin({ epoch }: { epoch: number }): Promise<void> {
    return this.forEachTrial((trial) => trial.beginEpoch(epoch));
  }

  onEpochEnd(_: EpochLogs, replicas: readonly EpochLogs[]): Promise<void> {
    return this.forEachTrial((trial) => trial.endEpoch(replicas));
  }

  async onTrainEnd(history: History, failure: { error: unknown } | null): Promise<void> {
    for (const trial of this.trials) await trial.end(history, failure);
    history.diverged = this.trials.flatMap(({ history: own, first }) => own.diverged.map((r) => first + r));
  }

  async state(): Promise<CallbackState> {
    return { trials: await Promise.all(this.trials.map((trial) => trial.state())) };
  }

  async restore({ trials }: CallbackState): Promise<void> {
    for (const [i, trial] of this.trials.entries()) await trial.restore((trials as CallbackState[])[i]!);
    this.endIfAllHave();
  }

  private async forEachTrial(call: (trial: SharedTrialState) => Promise<void>): Promise<void> {
    for (const trial of this.trials) if (!trial.ended) await call(trial);
    this.endIfAllHave();
  }

  private endIfAllHave(): void {
    if (this.trials.every(({ ended }) => ended)) this.model!.stopTraining = true;
  }
}

/** One of the trials. */
class SharedTrialState {
  readonly history: History = { epochs: [], replicas: [], interrupted: false, diverged: [], seconds: 0 };
  readonly failed = new FirstError();
  /** Whether its training has come to its end before that of the others. */
  ended = false;
  private range: ReplicaRange | null = null;
  private optimizer: Optimizer | null = null;
  private list: CallbackList;
  private readonly stop = { asked: false };
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
    const model = viewOf(info.model, this.range, stop);
    this.optimizer = rateView(info.optimizer as FlatOptimizer, first, count);
    const resume = () => Promise.reject(new AloneError('resume: trials that are trained together go on together'));
    await this.run(() => this.list.begin({ ...info, model, optimizer: this.optimizer!, resume }));
    this.endIfAsked();
  }

  async beginEpoch(epoch: number): Promise<void> {
    const optimizer = this.optimizer!;
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
      if (!this.stop.asked) return;
      throw new AloneError('stopTraining: a trial among others can end at the end of an epoch, not as one begins');
    });
    this.endIfAsked();
  }

  async endEpoch(all: readonly EpochLogs[]): Promise<void> {
    const own = all.slice(this.first, this.first + this.count);
    const { epoch, learningRate, seconds, samplesPerSecond } = own[0]!;
    const about = { epoch, learningRate, seconds, samplesPerSecond };
    const logs: EpochLogs = own.length === 1 ? own[0]! : { ...meanMetrics(own), ...about };
    this.history.epochs.push(logs);
    for (const [r, one] of own.entries()) this.history.replicas[r]!.push(one);
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onEpochEnd?.(logs, own);
    });
    this.endIfAsked();
  }

  async safePoint(after: SafePoint['after']): Promise<void> {
    const capture = () => Promise.reject(new AloneError('capture: trials that are trained together go on together'));
    await this.run(async () => {
      for (const callback of this.callbacks) await callback.onSafePoint?.({ after, capture });
    });
    this.endIfAsked();
  }

  async end(all: History, failure: { error: unknown } | null): Promise<void> {
    const { history, first, count } = this;
    history.interrupted = !this.ended && (all.interrupted || failure !== null);
    history.seconds = all.seconds;
    if (this.copy) {
      this.copy.restore();
      const weights = await this.copy.read();
      const isBroken = !weights.every((values) => values.every(Number.isFinite));
      // Which replica of several has the broken weights does not matter: none of the trial is of use.
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
    for (const [i, own] of (state.callbacks as (CallbackState | null)[]).entries()) {
      if (own) await this.run(async () => callbacks[i]!.restore?.(own));
    }
  }

  /** What a callback throws is this trial's own failure. */
  private async run(call: () => void | Promise<void>): Promise<void> {
    await this.failed.try(call);
    if (this.failed.hasError) this.stop.asked = true;
  }

  private endIfAsked(): void {
    if (!this.stop.asked || this.ended) return;
    this.ended = true;
    this.copy = new WeightCopy(this.range!);
    this.copy.save();
  }
}
