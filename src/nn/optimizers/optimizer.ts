import { type FinishedGraph, releaseFinished, takeFinished } from '../../autograd/finished-graphs.ts';
import { recordingOf } from '../../autograd/step-recording.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, checkSurplus, formatValue, type OptionNames, readList, SMALLEST_F32 } from '../../base/check.ts';
import { ArgumentError, DisposedError, GpuError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, withScope } from '../../kernels/array.ts';
import type { Update } from '../../kernels/optimizers/optimizer.ts';
import { type OptimizerStepValues, type StepRates, StepState } from '../../kernels/optimizers/step-state.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import type { FlatLayout } from '../weights/flat-layout.ts';
import { sliceFlat } from '../weights/flat-range.ts';
import { ParameterStore } from '../weights/parameters.ts';
import { checkUnused } from '../weights/training-lock.ts';
import { type AccumulationOptions, accumulationOptionNames, GradientAccumulation } from './accumulation.ts';
import { type ClipOptions, Clipping, clipOptionNames } from './clipping.ts';
import type { Rate, Schedule } from './schedules.ts';
import { TensorList } from './tensor-list.ts';

/** Updates all weights of a model in one dispatch. */
export interface Optimizer {
  /** Keras's name, such as `adam`. */
  readonly name: string;
  /**
   * Learning rate of the next step; of the first replica if the rates differ. A number, a schedule, or a list with one for each replica
   * may be assigned at any time and takes effect from the next step on.
   */
  get learningRate(): number;
  /** Assigns a number, a schedule, or a list with one for each replica. */
  set learningRate(rate: Rate | readonly Rate[]);
  /** Steps taken so far; with gradient accumulation, those that only accumulate count too. */
  iterations: number;
  /**
   * Step size and learning rate at step `t` (from 1), in float64: one pair, or one for each replica if their rates differ.
   * @internal
   */
  ratesAt(t: number): StepRates[];
  /**
   * What the kernels of step `t` (from 1) read.
   * @internal
   */
  valuesAt(t: number): OptimizerStepValues;
  /** Assigned rates: one, or one for each replica if they differ; null if there is a schedule. */
  readonly fixedRates: readonly number[] | null;
  /** All settings except the learning rate, for messages and files. */
  readonly settings: Readonly<Record<string, number | boolean>>;
  /**
   * State for each weight, such as moments, in the layout of the weights.
   * @internal
   */
  readonly slots: readonly DeviceArray[];
  /**
   * Called before a model gets this many replicas. @throws ArgumentError if the optimizer does not support it
   * @internal
   */
  checkReplicas?(replicas: number): void;
  /**
   * Allocates state for the weights and records which are frozen. A later call for the same model keeps the state.
   * @throws ArgumentError for another model
   * @internal
   */
  build(store: ParameterStore): void;
  /**
   * Dispatches the update of the trainable weights, from the gradients in the store and those of its penalties. `state` holds the step
   * size.
   * @internal
   */
  apply(store: ParameterStore, state: StepState): void;
  /** Releases the state; with an argument, only if the optimizer was built for those weights. */
  dispose(of?: ParameterStore): void;
}

/** The rates of an optimizer that `caller` is about to change. @throws ArgumentError for a schedule, which the change would replace */
export function settableRates(caller: string, { fixedRates }: Optimizer): readonly number[] {
  if (fixedRates) return fixedRates;
  throw new ArgumentError(
    `${caller}: the optimizer's learning rate is a schedule, which ${caller} would replace; give the optimizer a number, or leave ${caller} out`,
  );
}

/** Options of every optimizer. */
export interface OptimizerOptions extends ClipOptions, AccumulationOptions {
  /** A number, a schedule (a function of the step, from 0), or a list with one of them for each replica. */
  learningRate?: Rate | readonly Rate[];
  /**
   * What `step()` updates in a custom training loop: the weights of a built model (`model.parameters`), or a list of tensors that require
   * gradients. Not needed for `compile` and `fit`.
   */
  parameters?: ParameterStore | readonly Tensor[];
}
export const optimizerOptionNames: OptionNames<OptimizerOptions> = {
  ...clipOptionNames,
  ...accumulationOptionNames,
  learningRate: true,
  parameters: true,
};
/** Other libraries' names of options. */
export const optimizerHints = { lr: 'here it is learningRate' };

/** Optimizers with `parameters`, by device: they must be prepared before a step is recorded. */
const optimizersByDevice = new WeakMap<Device, Set<FlatOptimizer>>();

/** Called before a step is recorded: no table can be uploaded during the recording. */
export function prepareOptimizers(device: Device): void {
  for (const optimizer of optimizersByDevice.get(device) ?? []) optimizer.prepare();
}

/** State of an optimizer in a custom training loop, which `fit` does not need. */
interface CustomLoop {
  layout: FlatLayout;
  state: StepState;
  /** The step whose number and rates `state` holds. */
  uploadedStep: number;
  /** Graphs of the previous step, whose tensors can still be read. */
  spent: readonly FinishedGraph[];
}

/**
 * Common part of the optimizers: learning rates, clipping, and flat buffers for the state, in the layout of the weights. Without frozen
 * layers, an update is one dispatch; each frozen layer between trainable ones adds one.
 */
export abstract class FlatOptimizer implements Optimizer {
  abstract readonly name: string;
  iterations = 0;
  /** One rate for all replicas, or one for each. */
  private rates: readonly Rate[];
  private readonly clipping: Clipping | null;
  private readonly accumulation: GradientAccumulation | null;
  /** State for each weight, and behind it, with gradient accumulation, the sum of the gradients since the last update. @internal */
  slots: readonly DeviceArray[] = [];
  private store: FlatLayout | null = null;
  private loop: CustomLoop | null = null;
  readonly #options: OptimizerOptions;

  /** @throws ArgumentError for a rate or clipping limit that is not positive, or for several limits */
  constructor(
    /** Name of the class in messages. */
    protected readonly kind: string,
    /** Options, whose names the subclass has checked. */
    options: OptimizerOptions,
    defaultRate: number,
    /** Number of state values for each weight. */
    private readonly slotCount: number,
  ) {
    this.#options = { ...options };
    this.clipping = Clipping.create(kind, options);
    this.accumulation = GradientAccumulation.create(kind, options);
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
        `${this.kind}: this optimizer has ${this.rates.length} learning rates; give one rate or ${this.rates.length}, not ${rates.length}`,
      );
    }
    // A recorded step reads either one rate or one for each replica.
    if (this.store && this.rates.length === 1 && rates.length > 1) {
      throw new ArgumentError(
        `${this.kind}: this optimizer was created with one rate for all replicas; to give each a rate, create it with a list of rates`,
      );
    }
    this.rates = rates.length < this.rates.length ? this.rates.map(() => rates[0]!) : rates;
  }

  get fixedRates(): readonly number[] | null {
    return this.rates.every((rate) => typeof rate === 'number') ? this.rates : null;
  }

  /**
   * Current rates and schedules: one for all replicas, or one for each.
   * @internal
   */
  get givenRates(): readonly Rate[] {
    return this.rates;
  }

  /**
   * A new optimizer with the same options, and with these rates, one for each replica. It is not built for a model.
   * @internal
   */
  withRates(learningRate: readonly Rate[]): FlatOptimizer {
    const Class = this.constructor as new (options: OptimizerOptions) => FlatOptimizer;
    const { parameters: _, ...options } = this.#options;
    return new Class({ ...options, learningRate });
  }

  get settings(): Readonly<Record<string, number | boolean>> {
    return { ...this.clipping?.settings, ...this.accumulation?.settings };
  }

  /** @internal */
  ratesAt(t: number): StepRates[] {
    const update = this.accumulation?.updateOf(t) ?? t;
    return this.rates.map((given) => {
      const rate = typeof given === 'number' ? given : this.scheduleRate(given, update);
      const stepSize = this.stepSize(rate, update);
      const isChecked = update === 1 || stepSize > 1;
      return {
        rate,
        stepSize: isChecked ? checkF32(`${this.kind}: the step size at step ${update - 1}`, stepSize) : stepSize,
      };
    });
  }

  /** @internal */
  valuesAt(t: number): OptimizerStepValues {
    return { step: t, rates: this.ratesAt(t), ...this.accumulation?.placeOf(t) };
  }

  /** A schedule's rate at step `t`, from 1. A rate below the smallest f32 becomes 0, except at the first step, where it is an error. */
  private scheduleRate(schedule: Schedule, t: number): number {
    const rate = schedule(t - 1);
    if (t > 1 && rate > 0 && rate < SMALLEST_F32) return 0;
    return this.checkNumber(`the schedule's learning rate at step ${t - 1}`, rate, NOT_NEGATIVE);
  }

  /** Factor on the kernel's update direction at step `t` (from 1), for a learning rate. */
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
      throw new ArgumentError(`${this.kind}: this optimizer already belongs to another model; make one for each`);
    }
    this.checkReplicas(store.replicas);
    this.clipping?.build(store);
    if (this.rates.length > 1 || store.penalties?.perReplica) store.uploadReplicaOfElement();
    if (this.store) return;
    this.store = store;
    this.iterations = 0;
    const count = this.slotCount + (this.accumulation ? 1 : 0);
    this.slots = Array.from({ length: count }, () =>
      fill(store.device, store.gradients.shape, 0).keep(`state of ${this.name}`),
    );
  }

  /** @internal */
  apply(store: FlatLayout, state: StepState): void {
    if (this.store !== store) throw new ArgumentError(`${this.kind}: apply() before build()`);
    const { clipping } = this;
    this.accumulation?.apply(store, this.slots.at(-1)!, state);
    if (clipping) {
      store.penalties?.addGradients(); // clipping applies to the sum
      clipping.apply(store);
    }
    const penalties = clipping ? null : store.penalties;
    const perReplica = this.rates.length > 1 || (penalties?.perReplica ?? false);
    for (const { range, weight } of store.updates) {
      const slots = this.slots.map((slot) => sliceFlat(slot, range));
      const gradient = sliceFlat(store.gradients, range);
      const replicaOfElement = perReplica ? sliceFlat(store.replicaOfElement, range) : null;
      this.update({ weight, gradient, penalties: penalties?.tableFor(range) ?? null, replicaOfElement }, slots, state);
    }
  }

  private checkRates(rate: Rate | readonly Rate[], range: NumberRange): readonly Rate[] {
    const rates = (readList(this.kind, rate) ?? [rate]) as Rate[];
    if (rates.length === 0)
      throw new ArgumentError(`${this.kind}: learningRate is an empty list; give one rate for each replica`);
    return rates.map((one) => (typeof one === 'function' ? one : this.checkNumber('learningRate', one, range)));
  }

  /** @throws ArgumentError if a list of rates does not have one for each replica */
  private checkCount(rates: readonly Rate[], replicas: number): void {
    if (rates.length === 1 || rates.length === replicas) return;
    throw new ArgumentError(
      `${this.kind}: there are ${rates.length} learning rates, but the model has ${replicas} replicas; give one rate for each`,
    );
  }

  /** Dispatches the update of a range; `slots` are the same range of the state. */
  protected abstract update(range: Update, slots: DeviceArray[], state: StepState): void;

  /** Called at the end of a subclass's constructor. @throws ArgumentError, DisposedError if `parameters` cannot be trained */
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

  /** @throws ArgumentError if the optimizer has no `parameters` or `fit` is using it; DisposedError */
  private requireLoop(call: string): CustomLoop {
    const { loop } = this;
    if (!loop && this.#options.parameters) {
      throw new DisposedError(
        `${call}: this optimizer was disposed, or its model was disposed or replicated; make another one`,
      );
    }
    if (!loop) {
      throw new ArgumentError(
        `${call}: this optimizer has no parameters; create it with those to train, as in new ${this.kind}({ parameters: model.parameters })`,
      );
    }
    checkUnused(call, 'optimizer', this);
    return loop;
  }

  /**
   * Updates the parameters by their gradients, as a step of `fit` does: with clipping, the penalties of a model's layers and the schedule's
   * rate. If only some parameters have gradients, those of the others count as zeros. Gradients stay until `clearGrad`.
   * @throws ArgumentError if the optimizer has no `parameters`, no parameter has a gradient, or `fit` is using the optimizer;
   *   DisposedError for disposed parameters
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
        const count = layout.updates.length; // throws for disposed tensors
        if (count > 0 && !layout.hasGradients) {
          throw new ArgumentError(
            `step: no parameter has a gradient; call loss.backward() before step(), on a loss that was computed from them`,
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

  /** Clears the gradients of the parameters, so the next `backward()` does not add to them. @throws ArgumentError, DisposedError */
  clearGrad(...surplus: never[]): void {
    checkSurplus('clearGrad', surplus);
    this.requireLoop('clearGrad').layout.zeroGrad();
  }

  /**
   * Uploads the tables that a step needs.
   * @internal
   */
  prepare(): void {
    this.clipping?.build(this.loop!.layout);
  }

  /**
   * Which parameters are frozen, as a string to compare.
   * @internal
   */
  get frozenKey(): string {
    return this.requireLoop('step').layout.frozenKey;
  }

  /**
   * Checks that a step can be taken.
   *
   * @throws DisposedError after `dispose()`
   * @throws ArgumentError if a schedule returns an impossible rate
   */
  check(): void {
    this.requireLoop('step');
    this.ratesAt(this.iterations + 1);
  }

  /**
   * Number of the next step, by which random layers draw, or the uniform that holds it.
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
   * Uploads a step's number and rates, for all later dispatches.
   * @internal
   */
  write(step: number): void {
    const { loop } = this;
    if (loop!.uploadedStep === step) return;
    loop!.state.write({ batchStart: 0, ...this.valuesAt(step) });
    loop!.uploadedStep = step;
  }

  /**
   * The host's work before the dispatches of a step. @throws as `step`
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
   * The host's work after the dispatches of a step: releases the graphs of the previous step and keeps those of this one readable.
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

  /** @throws ArgumentError unless `value` is in the range and representable as f32 */
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
