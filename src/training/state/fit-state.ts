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

/** Differences between two trainings that a message names. */
const NAMED = 4;

/** The parts of a `fit` that its state is taken from and given to. */
interface Parts {
  model: Trainable;
  feed: Batches;
  /** Measures the validation data; null without any. */
  evaluator: { skip(passes: number): void } | null;
  totals: RunningTotals;
  callbacks: readonly Callback[];
  history: History;
  initialEpoch: number;
  /** When the call began, by `performance.now()`. */
  begun: number;
  /** What must be the same where training is taken up again; asked for only where a callback wants to know. */
  describe(): Promise<Record<string, StateValue>>;
}

/** Where a `fit` is, and what it takes to go on from there another time. */
export class FitState {
  readonly position: Position;
  /** When the call and the epoch began, or would have begun without an interruption. */
  private begun: number;
  private epochBegun = 0;
  private readonly safePointCallbacks: readonly Callback[];
  private readonly statefulCallbacks: readonly Callback[];
  private description: Record<string, StateValue> | null = null;
  private resumed: TrainingState | null = null;

  constructor(private readonly parts: Parts) {
    this.position = { epoch: parts.initialEpoch + 1, step: 0, begun: false };
    this.begun = parts.begun;
    this.safePointCallbacks = parts.callbacks.filter((callback) => callback.onSafePoint);
    this.statefulCallbacks = parts.callbacks.filter((callback) => callback.state);
  }

  /** See `TrainInfo.resume`. @throws ArgumentError for the state of another training, or one that is damaged */
  resume = async (state: TrainingState, name = 'resume'): Promise<void> => {
    const { model } = this.parts;
    const { optimizer } = model.training;
    if (!state?.optimizer) this.checkUndamaged(state, name);
    const { iterations, fixedRates, learningRate, scheduledRates } = state.optimizer;
    const rates = optimizer.fixedRates ? null : optimizer.ratesAt(iterations + 1).map(({ rate }) => rate);
    const is = rates?.length === 1 ? rates[0]! : rates;
    const found = [
      ...differences(state.run, await this.describe()),
      ...(fixedRates ? [] : differences(scheduledRates ?? learningRate, is, "the schedule's learning rate")),
    ];
    if (found.length > 0) {
      const more = found.length > NAMED ? `; and ${found.length - NAMED} more` : '';
      throw new ArgumentError(
        `${name} is of another training: ${found.slice(0, NAMED).join('; ')}${more}. ` +
          'Go on with what it was made with, or begin anew without it',
      );
    }
    this.checkUndamaged(state, name);
    this.resumed = state;
  };

  private checkUndamaged(state: TrainingState, name: string): void {
    const { model, totals, feed, history } = this.parts;
    const sizeOf = ({ storage }: DeviceArray) => storage.bytes / 4;
    const sizes = {
      weights: model.parameters.buffers.map(sizeOf),
      slots: model.training.optimizer.slots.map(sizeOf),
      totals: totals.bufferSize,
      callbacks: this.statefulCallbacks.length,
      replicas: history.replicas.length,
      steps: feed.stepsPerEpoch ?? Number.POSITIVE_INFINITY,
    };
    checkUndamaged(state, sizes, name);
  }

  /** Goes to where a callback wanted to resume, if one did. */
  async restore(): Promise<void> {
    const state = this.resumed;
    if (!state) return;
    const { model, feed, evaluator, totals, history, initialEpoch } = this.parts;
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
    this.begun -= 1000 * state.seconds.whole;
    this.epochBegun = performance.now() - 1000 * state.seconds.epoch;
    const passes = this.position.epoch - initialEpoch - 1;
    feed.skip(passes, this.position.step);
    evaluator?.skip(passes);
    for (const [i, callback] of this.statefulCallbacks.entries()) await callback.restore?.(state.callbacks[i]!);
  }

  /** @returns whether the epoch begins here, and not in the midst of it */
  beginEpoch(): boolean {
    if (this.position.begun) return false;
    this.position.begun = true;
    this.epochBegun = performance.now();
    this.parts.totals.reset();
    return true;
  }

  /** To be awaited after all that an epoch ends with. */
  async endEpoch(): Promise<void> {
    Object.assign(this.position, { epoch: this.position.epoch + 1, step: 0, begun: false });
    await this.safePoint('epoch');
  }

  get seconds() {
    const now = performance.now();
    return { whole: (now - this.begun) / 1000, epoch: (now - this.epochBegun) / 1000 };
  }

  /** Whether any callback waits for safe points: steps have none to wait for otherwise. */
  get hasSafePointCallbacks(): boolean {
    return this.safePointCallbacks.length > 0;
  }

  /** Tells the callbacks that training can be taken up from here. */
  async safePoint(after: SafePoint['after']): Promise<void> {
    const point = { after, capture: () => this.capture() };
    for (const callback of this.safePointCallbacks) await callback.onSafePoint!(point);
  }

  private async capture(): Promise<TrainingState> {
    const { model, totals, history } = this.parts;
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
      ...(await this.parts.describe()),
      callbacks: this.statefulCallbacks.map(callbackName),
    };
    return this.description;
  }
}

const download = async ({ device, storage }: DeviceArray) => new Float32Array(await device.read(storage));
const upload = ({ device, storage }: DeviceArray, values: Float32Array<ArrayBuffer>) => device.upload(storage, values);
