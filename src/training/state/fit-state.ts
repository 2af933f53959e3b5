import { ArgumentError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import type { Batches } from '../batches/source-batches.ts';
import { type Callback, callbackName } from '../callbacks/callback.ts';
import type { History } from '../callbacks/logs.ts';
import type { RunningTotals } from '../metrics/totals.ts';
import type { Trainable } from '../trainable.ts';
import { differences } from './run-description.ts';
import { checkUndamaged } from './state-damage.ts';
import type { Position, SafePoint, StateValue, TrainingState } from './training-state.ts';

/** Differences between two trainings that a message lists. */
const MAX_DIFFERENCES = 4;

/** What the state of a `fit` is captured from and restored to. */
interface FitComponents {
  model: Trainable;
  batches: Batches;
  /** Measures the validation data; null without any. */
  evaluator: { skip(passes: number): void } | null;
  totals: RunningTotals;
  callbacks: readonly Callback[];
  history: History;
  initialEpoch: number;
  /** Start of the call, by `performance.now()`. */
  startTime: number;
  /** What must be the same if training is resumed. Called only if a callback captures or resumes a state. */
  describe(): Promise<Record<string, StateValue>>;
}

/** Position of a `fit` and the state that resumes it. */
export class FitState {
  readonly position: Position;
  /** Start of the call and of the epoch in milliseconds, moved back by the time that a resumed training took before. */
  private startTime: number;
  private epochStartTime = 0;
  private readonly safePointCallbacks: readonly Callback[];
  private readonly statefulCallbacks: readonly Callback[];
  private description: Record<string, StateValue> | null = null;
  /** The state to continue from, once `resume` accepted one. */
  private resumeState: TrainingState | null = null;

  constructor(private readonly components: FitComponents) {
    const { initialEpoch, startTime, callbacks } = components;
    this.position = { epoch: initialEpoch + 1, step: 0, begun: false };
    this.startTime = startTime;
    this.safePointCallbacks = callbacks.filter((callback) => callback.onSafePoint);
    this.statefulCallbacks = callbacks.filter((callback) => callback.state);
  }

  /** See `TrainInfo.resume`. @throws ArgumentError if the state is of another training or damaged */
  resume = async (state: TrainingState, name = 'resume'): Promise<void> => {
    const { model } = this.components;
    const { optimizer } = model.training;
    if (!state?.optimizer) this.checkUndamaged(state, name);
    const { iterations, fixedRates, learningRate, scheduledRates } = state.optimizer;
    const rates = optimizer.fixedRates ? null : optimizer.ratesAt(iterations + 1).map(({ rate }) => rate);
    const currentRates = rates?.length === 1 ? rates[0]! : rates;
    const found = [
      ...differences(state.run, await this.describe()),
      ...(fixedRates ? [] : differences(scheduledRates ?? learningRate, currentRates, "the schedule's learning rate")),
    ];
    if (found.length > 0) {
      const more = found.length > MAX_DIFFERENCES ? `; and ${found.length - MAX_DIFFERENCES} more` : '';
      throw new ArgumentError(
        `${name} is of another training: ${found.slice(0, MAX_DIFFERENCES).join('; ')}${more}. ` +
          'Continue with the data and options it was made with, or start again without it',
      );
    }
    this.checkUndamaged(state, name);
    this.resumeState = state;
  };

  private checkUndamaged(state: TrainingState, name: string): void {
    const { model, totals, batches, history } = this.components;
    const sizeOf = ({ storage }: DeviceArray) => storage.bytes / 4;
    const sizes = {
      weights: model.parameters.buffers.map(sizeOf),
      slots: model.training.optimizer.slots.map(sizeOf),
      totals: totals.bufferSize,
      callbacks: this.statefulCallbacks.length,
      replicas: history.replicas.length,
      steps: batches.stepsPerEpoch ?? Number.POSITIVE_INFINITY,
    };
    checkUndamaged(state, sizes, name);
  }

  /** Restores the state that a callback passed to `resume`, if one did. */
  async restore(): Promise<void> {
    const state = this.resumeState;
    if (!state) return;
    const { model, batches, evaluator, totals, history, initialEpoch } = this.components;
    const { optimizer } = model.training;
    for (const [i, array] of model.parameters.buffers.entries()) upload(array, state.weights[i]!);
    for (const [i, array] of optimizer.slots.entries()) upload(array, state.optimizer.slots[i]!);
    totals.load(state.totals);
    optimizer.iterations = state.optimizer.iterations;
    if (state.optimizer.fixedRates) optimizer.learningRate = state.optimizer.fixedRates;
    model.stopTraining = state.stopTraining;
    history.epochs.push(...state.history.epochs);
    for (const [r, epochs] of state.history.replicas.entries()) history.replicas[r]!.push(...epochs);
    Object.assign(this.position, state.position);
    this.startTime -= 1000 * state.seconds.whole;
    this.epochStartTime = performance.now() - 1000 * state.seconds.epoch;
    const passes = this.position.epoch - initialEpoch - 1;
    batches.skip(passes, this.position.step);
    evaluator?.skip(passes);
    for (const [i, callback] of this.statefulCallbacks.entries()) await callback.restore?.(state.callbacks[i]!);
  }

  /** @returns false if a resumed epoch continues after its `onEpochBegin` */
  beginEpoch(): boolean {
    if (this.position.begun) return false;
    this.position.begun = true;
    this.epochStartTime = performance.now();
    this.components.totals.reset();
    return true;
  }

  /** Moves to the next epoch and calls `onSafePoint`. Await it after validation and `onEpochEnd`. */
  async endEpoch(): Promise<void> {
    Object.assign(this.position, { epoch: this.position.epoch + 1, step: 0, begun: false });
    await this.safePoint('epoch');
  }

  get seconds() {
    const now = performance.now();
    return { whole: (now - this.startTime) / 1000, epoch: (now - this.epochStartTime) / 1000 };
  }

  /** Whether a callback has `onSafePoint`; if not, steps need not await safe points. */
  get hasSafePointCallbacks(): boolean {
    return this.safePointCallbacks.length > 0;
  }

  /** Calls `onSafePoint` of the callbacks. */
  async safePoint(after: SafePoint['after']): Promise<void> {
    const point = { after, capture: () => this.capture() };
    for (const callback of this.safePointCallbacks) await callback.onSafePoint!(point);
  }

  private async capture(): Promise<TrainingState> {
    const { model, totals, history } = this.components;
    const { optimizer } = model.training;
    const { iterations, fixedRates, learningRate } = optimizer;
    const rates = optimizer.ratesAt(iterations + 1).map(({ rate }) => rate);
    const { seconds, position } = this;
    const [weights, slots, words] = await Promise.all([
      Promise.all(model.parameters.buffers.map(download)),
      Promise.all(optimizer.slots.map(download)),
      totals.save(),
    ]);
    return {
      run: await this.describe(),
      position: { ...position },
      stopTraining: model.stopTraining,
      weights,
      optimizer: {
        ...{ iterations, fixedRates, learningRate, slots },
        ...(fixedRates || rates.length === 1 ? {} : { scheduledRates: rates }),
      },
      totals: words,
      history: { epochs: [...history.epochs], replicas: history.replicas.map((epochs) => [...epochs]) },
      seconds,
      callbacks: await Promise.all(this.statefulCallbacks.map((callback) => callback.state!())),
    };
  }

  private async describe(): Promise<Record<string, StateValue>> {
    this.description ??= {
      ...(await this.components.describe()),
      callbacks: this.statefulCallbacks.map(callbackName),
    };
    return this.description;
  }
}

const download = async ({ device, storage }: DeviceArray) => new Float32Array(await device.read(storage));
const upload = ({ device, storage }: DeviceArray, values: Float32Array<ArrayBuffer>) => device.upload(storage, values);
