import { type FinishedGraph, releaseFinished, takeFinished } from '../../autograd/finished-graphs.ts';
import { recordingOf } from '../../autograd/step-recording.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, checkSurplus, formatValue, type OptionNames, readList, SMALLEST_F32 } from '../../base/check.ts';
import { ArgumentError, DisposedError, GpuError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, withScope } from '../../kernels/array.ts';
import type { Update } from '../../kernels/optimizers/optimizer.ts';
import { type StepRates, StepState } from '../../kernels/optimizers/step-state.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import type { FlatLayout } from '../weights/flat-layout.ts';
import { sliceFlat } from '../weights/flat-range.ts';
import { ParameterStore } from '../weights/parameters.ts';
import { checkUnused } from '../weights/training-lock.ts';
import { type ClipOptions, Clipping, clipOptionNames } from './clipping.ts';
import type { Rate, Schedule } from './schedules.ts';
import { TensorList } from './tensor-list.ts';

/** Updates all weights of a model in one dispatch. */
export interface Optimizer {
  /** Keras's name, such as `adam`. */
  readonly name: string;
  /**
   * The rate of the next step, of the first replica where they differ. A number, a schedule or a list of one for each replica may be
   * assigned at any time and counts from the next step on.
   */
  get learningRate(): number;
  /** Assigns a number, a schedule, or a list of one for each replica. */
  set learningRate(rate: Rate | readonly Rate[]);
  /** Steps taken so far. */
  iterations: number;
  /**
   * What the kernel multiplies its direction with at step `t` (from 1) and the plain rate, in float64; of each replica where they differ.
   * @internal
   */
  ratesAt(t: number): StepRates[];
  /** The rates as they were assigned, of each replica where they differ; null for a schedule. */
  readonly fixedRates: readonly number[] | null;
  /** What besides the rate decides an update, for messages and files. */
  readonly settings: Readonly<Record<string, number | boolean>>;
  /**
   * What it remembers of each weight, in the layout of the weights.
   * @internal
   */
  readonly slots: readonly DeviceArray[];
  /**
   * Called before a model is given so many replicas. @throws ArgumentError where it cannot serve them
   * @internal
   */
  checkReplicas?(replicas: number): void;
  /**
   * Allocates state for the weights and notes which are frozen; called again for the same model, it keeps the state. @throws ArgumentError for another model
   * @internal
   */
  build(store: ParameterStore): void;
  /**
   * Dispatches the update of what is trainable, by the gradients in the store and those of its penalties; `state` carries the
   * step size.
   * @internal
   */
  apply(store: ParameterStore, state: StepState): void;
  /** Releases its state; given a model's weights, only if it serves them. */
  dispose(of?: ParameterStore): void;
}

/** The rates of an optimiser, which `who` is about to change. @throws ArgumentError for a schedule, which that would end */
export function settableRates(caller: string, { fixedRates }: Optimizer): readonly number[] {
  if (fixedRates) return fixedRates;
  throw new ArgumentError(
    `${caller}: the optimizer's learning rate is a schedule, which it would end; give the optimizer a number, or leave ${caller} out`,
  );
}

/** Options every optimiser takes. */
export interface OptimizerOptions extends ClipOptions {
  /** A number; a schedule, which is a function of the step (from 0); or a list of one of them for each replica. */
  learningRate?: Rate | readonly Rate[];
  /**
   * What `step()` trains, in a loop of your own: the weights of a built model (`model.parameters`), or a list of tensors that require
   * gradients. Left out for `compile` and `fit`.
   */
  parameters?: ParameterStore | readonly Tensor[];
}
export const optimizerOptionNames: OptionNames<OptimizerOptions> = {
  ...clipOptionNames,
  learningRate: true,
  parameters: true,
};
/** Options that other libraries have for the same. */
export const optimizerHints = { lr: 'here it is learningRate' };

/** Optimizers with parameters of their own, by device: what has to be ready before a step is recorded. */
const optimizersByDevice = new WeakMap<Device, Set<FlatOptimizer>>();

/** To be called before a step is recorded, within which no table can be sent to the adapter. */
export function prepareOptimizers(device: Device): void {
  for (const optimizer of optimizersByDevice.get(device) ?? []) optimizer.prepare();
}

/** What a loop of one's own needs of an optimizer besides what `fit` needs. */
interface CustomLoop {
  layout: FlatLayout;
  state: StepState;
  /** The step whose number and rates `state` has. */
  uploadedStep: number;
  /** Graphs of the step before, which can still be read. */
  spent: readonly FinishedGraph[];
}

/**
 * What optimisers have in common: the rate, and flat buffers for their state, in the layout of the weights. Without frozen
 * layers an update is one dispatch; each frozen layer in the midst of trained ones adds one. Clipping comes first where it is asked for.
 */
export abstract class FlatOptimizer implements Optimizer {
  abstract readonly name: string;
  iterations = 0;
  /** One for all replicas, or one for each. */
  private rates: readonly Rate[];
  private readonly clipping: Clipping | null;
  /** @internal */
  slots: readonly DeviceArray[] = [];
  private store: FlatLayout | null = null;
  private loop: CustomLoop | null = null;
  readonly #options: OptimizerOptions;

  /** @throws ArgumentError for a rate or a limit of clipping that is not positive, or several limits */
  constructor(
    /** The class, as messages name it. */
    protected readonly kind: string,
    /** Whose names the class has checked, with those of its own. */
    options: OptimizerOptions,
    defaultRate: number,
    /** Number of state values a weight. */
    private readonly slotCount: number,
  ) {
    this.#options = { ...options };
    this.clipping = Clipping.create(kind, options);
    const { learningRate = defaultRate } = options;
    this.rates = this.checkRates(learningRate, POSITIVE);
  }

  get learningRate(): number {
    return this.ratesAt(this.iterations + 1)[0]!.rate;
  }

  set learningRate(rate: Rate | readonly Rate[]) {
    const rates = this.checkRates(rate, NOT_NEGATIVE);
    if (this.store) this.checkCount(rates, this.store.replicas);
    if (rates.length > 1 && this.rates.length > 1 && rates.length !== this.rates.length) {
      throw new ArgumentError(
        `${this.kind}: this optimizer has ${this.rates.length} learning rates; give one for all or as many, not ${rates.length}`,
      );
    }
    // A recorded step reads one rate, or one for each.
    if (this.store && this.rates.length === 1 && rates.length > 1) {
      throw new ArgumentError(
        `${this.kind}: this optimizer has one rate for all replicas; for rates of their own, give them when you make it`,
      );
    }
    this.rates = rates.length < this.rates.length ? this.rates.map(() => rates[0]!) : rates;
  }

  get fixedRates(): readonly number[] | null {
    return this.rates.every((rate) => typeof rate === 'number') ? this.rates : null;
  }

  /**
   * Rates and schedules as they stand: one for all replicas, or one for each.
   * @internal
   */
  get givenRates(): readonly Rate[] {
    return this.rates;
  }

  /**
   * An optimizer with the same options and these rates, one for each replica, which serves no model yet.
   * @internal
   */
  withRates(learningRate: readonly Rate[]): FlatOptimizer {
    const Class = this.constructor as new (options: OptimizerOptions) => FlatOptimizer;
    const { parameters: _, ...options } = this.#options;
    return new Class({ ...options, learningRate });
  }

  get settings(): Readonly<Record<string, number | boolean>> {
    return this.clipping?.settings ?? {};
  }

  /** @internal */
  ratesAt(t: number): StepRates[] {
    return this.rates.map((given) => {
      const rate = typeof given === 'number' ? given : this.scheduleRate(given, t);
      const stepSize = this.stepSize(rate, t);
      return {
        rate,
        stepSize:
          t === 1 || stepSize > 1 ? checkF32(`${this.kind}: the step size at step ${t - 1}`, stepSize) : stepSize,
      };
    });
  }

  /** A schedule's rate at step `t`, from 1. One that has fallen below what 32-bit floats hold is 0; it cannot begin there. */
  private scheduleRate(schedule: Schedule, t: number): number {
    const rate = schedule(t - 1);
    if (t > 1 && rate > 0 && rate < SMALLEST_F32) return 0;
    return this.checkNumber(`the schedule's learning rate at step ${t - 1}`, rate, NOT_NEGATIVE);
  }

  /** What the kernel multiplies its direction with at step `t` (from 1), for a rate. */
  protected stepSize(rate: number, _t: number): number {
    return rate;
  }

  /** @internal */
  checkReplicas(replicas: number): void {
    this.checkCount(this.rates, replicas);
  }

  /** @internal */
  build(store: FlatLayout): void {
    if (this.store && this.store !== store) {
      throw new ArgumentError(`${this.kind}: this optimizer already serves another model; make one for each`);
    }
    this.checkReplicas(store.replicas);
    this.clipping?.build(store);
    if (this.rates.length > 1 || store.penalties?.perReplica) store.uploadReplicaOfElement();
    if (this.store) return;
    this.store = store;
    this.iterations = 0;
    this.slots = Array.from({ length: this.slotCount }, () =>
      fill(store.device, store.gradients.shape, 0).keep(`state of ${this.name}`),
    );
  }

  /** @internal */
  apply(store: FlatLayout, state: StepState): void {
    if (this.store !== store) throw new ArgumentError(`${this.kind}: apply() before build()`);
    const { clipping } = this;
    if (clipping) {
      store.penalties?.addGradients(); // what is clipped is the sum
      clipping.apply(store);
    }
    const penalties = clipping ? null : store.penalties;
    const perReplica = this.rates.length > 1 || (penalties?.perReplica ?? false);
    for (const { range, weight } of store.updates) {
      const slots = this.slots.map((slot) => sliceFlat(slot, range));
      const gradient = sliceFlat(store.gradients, range);
      const owner = perReplica ? sliceFlat(store.replicaOfElement, range) : null;
      this.update({ weight, gradient, penalties: penalties?.of(range) ?? null, replicaOfElement: owner }, slots, state);
    }
  }

  private checkRates(rate: Rate | readonly Rate[], range: NumberRange): readonly Rate[] {
    const rates = (readList(this.kind, rate) ?? [rate]) as Rate[];
    if (rates.length === 0) throw new ArgumentError(`${this.kind}: learningRate is a list without a rate`);
    return rates.map((one) => (typeof one === 'function' ? one : this.checkNumber('learningRate', one, range)));
  }

  /** @throws ArgumentError where a list of rates has not one for each replica */
  private checkCount(rates: readonly Rate[], replicas: number): void {
    if (rates.length === 1 || rates.length === replicas) return;
    throw new ArgumentError(
      `${this.kind}: ${rates.length} learning rates are for as many replicas, but the model has ${replicas}`,
    );
  }

  /** Dispatches the update of a range; this optimiser's state is of the weights' shape. */
  protected abstract update(range: Update, slots: DeviceArray[], state: StepState): void;

  /** To be called by the constructor of a class when it is done. @throws ArgumentError, DisposedError for what cannot be trained */
  protected attachParameters(): void {
    const { parameters } = this.#options;
    if (parameters === undefined) return;
    const isModel = parameters instanceof ParameterStore;
    if (isModel && parameters.values.disposed) {
      throw new DisposedError(`${this.kind}: parameters are those of a model that was disposed; build another one`);
    }
    const layout = isModel ? parameters : new TensorList(this.kind, parameters);
    this.build(layout);
    const { device } = layout;
    this.loop = { layout, state: new StepState(device, layout.replicas), uploadedStep: 0, spent: [] };
    if (isModel) parameters.optimizers.add(this);
    const others = optimizersByDevice.get(device) ?? new Set();
    optimizersByDevice.set(device, others.add(this));
  }

  /** @throws ArgumentError for an optimizer without parameters of its own, or one that `fit` is using; DisposedError */
  private requireLoop(call: string): CustomLoop {
    const { loop } = this;
    if (!loop && this.#options.parameters) {
      throw new DisposedError(
        `${call}: this optimizer was disposed, or the model that it trained was, or was replicated; make another one`,
      );
    }
    if (!loop) {
      throw new ArgumentError(
        `${call}: this optimizer has no parameters; make it with those it is to train, as in new ${this.kind}({ parameters: model.parameters })`,
      );
    }
    checkUnused(call, 'optimizer', this);
    return loop;
  }

  /**
   * Changes the parameters by their gradients, as a step of `fit` does: with clipping, the penalties of a model's layers and the schedule's
   * rate. Parameters that have no gradient while others have some count as having zeros. Gradients stay until `clearGrad`.
   * @throws ArgumentError for an optimizer without `parameters`, where no parameter has a gradient, and while `fit` uses it; DisposedError
   *   for parameters that were disposed
   */
  step(...surplus: never[]): void {
    checkSurplus('step', surplus);
    const { layout } = this.requireLoop('step');
    const { device } = layout;
    const recording = recordingOf(device);
    if (device.recording && !recording) {
      throw new GpuError(
        'step: within device.record() the rate and the number of the step would never change; use compileStep',
      );
    }
    withScope(
      device,
      () => {
        const count = layout.updates.length; // throws for what was disposed
        if (count > 0 && !layout.hasGradients) {
          throw new ArgumentError(
            `step: none of the parameters has a gradient; call loss.backward() before step(), on a loss that was computed from them`,
          );
        }
        if (recording) recording.addOptimizer(this);
        else this.begin();
        layout.collectGrads();
        this.apply(layout, this.loop!.state);
      },
      () => [],
    );
    if (!recording) this.end();
  }

  /** Forgets the gradients of the parameters: the next `backward()` begins anew instead of adding to them. @throws ArgumentError, DisposedError */
  clearGrad(...surplus: never[]): void {
    checkSurplus('clearGrad', surplus);
    this.requireLoop('clearGrad').layout.zeroGrad();
  }

  /**
   * Sends what a step needs of tables to the adapter.
   * @internal
   */
  prepare(): void {
    this.clipping?.build(this.loop!.layout);
  }

  /**
   * Of the parameters: which are frozen, as a word to compare by.
   * @internal
   */
  get frozenKey(): string {
    return this.requireLoop('step').layout.frozenKey;
  }

  /**
   * Checks that a step can be taken.
   *
   * @throws DisposedError after `dispose()`
   * @throws ArgumentError if a schedule gives a rate that is none
   */
  check(): void {
    this.requireLoop('step');
    this.ratesAt(this.iterations + 1);
  }

  /**
   * What random layers draw by: where the number of the next step stands.
   * @internal
   */
  get nextStep(): number | StepState {
    const { layout, state } = this.requireLoop('call');
    const recording = recordingOf(layout.device);
    if (recording) recording.addStepNumber(this);
    else if (layout.device.recording) return this.iterations + 1;
    else this.write(this.iterations + 1);
    return state;
  }

  /**
   * Sends a step's number and rates to the adapter, for what is dispatched from now on.
   * @internal
   */
  write(step: number): void {
    const { loop } = this;
    if (loop!.uploadedStep === step) return;
    loop!.state.write({ batchStart: 0, step, rates: this.ratesAt(step) });
    loop!.uploadedStep = step;
  }

  /**
   * The host's part of a step, before what is dispatched. @throws as `step`
   * @internal
   */
  begin(): void {
    const { layout } = this.requireLoop('step');
    this.prepare();
    this.loop!.uploadedStep = 0; // the rate may have been assigned since
    this.write(this.iterations + 1);
    this.iterations++;
    layout.markChanged();
  }

  /**
   * The host's part of a step, after what is dispatched: the graphs of the step before go, those of this one stay to be read.
   * @internal
   */
  end(): void {
    const loop = this.loop!;
    const { device, weights } = loop.layout;
    releaseFinished(loop.spent);
    loop.spent = takeFinished(
      device,
      weights.map(({ tensor }) => tensor),
    );
  }

  dispose(of?: ParameterStore): void {
    if (of && of !== this.store) return;
    this.disposeLoop();
    this.clipping?.dispose();
    for (const slot of this.slots) slot.dispose();
    this.slots = [];
    this.store = null;
  }

  private disposeLoop(): void {
    const { loop } = this;
    if (!loop) return;
    this.loop = null;
    const { layout, state, spent } = loop;
    optimizersByDevice.get(layout.device)?.delete(this);
    releaseFinished(spent);
    state.dispose();
    if (layout instanceof TensorList) layout.dispose();
    else if (layout instanceof ParameterStore) layout.optimizers.delete(this);
  }

  /** @throws ArgumentError unless `value` is a number of that range that 32-bit floats hold */
  protected checkNumber(subject: string, value: number, { accepts, description }: NumberRange): number {
    if (!Number.isFinite(value) || !accepts(value)) {
      throw new ArgumentError(`${this.kind}: ${subject} must be ${description}, but is ${formatValue(value)}`);
    }
    return checkF32(`${this.kind}: ${subject}`, value);
  }
}

export interface NumberRange {
  accepts(x: number): boolean;
  description: string;
}
export const POSITIVE: NumberRange = { accepts: (x) => x > 0, description: 'positive' };
export const NOT_NEGATIVE: NumberRange = { accepts: (x) => x >= 0, description: 'zero or more' };
export const BELOW_ONE: NumberRange = { accepts: (x) => x >= 0 && x < 1, description: 'in [0, 1)' };
