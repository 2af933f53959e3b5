import { checkOptions, show } from '../../check.ts';
import { ArgumentError } from '../../errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import type { Update } from '../../kernels/optimizer.ts';
import { fill } from '../../kernels/pointwise.ts';
import type { StepState } from '../../kernels/step-state.ts';
import type { ParameterStore } from '../parameters.ts';
import { part } from '../penalties.ts';
import type { Rate } from '../schedules.ts';
import { type ClipOptions, Clipping } from './clipping.ts';

/** Updates all weights of a model in one dispatch. */
export interface Optimizer {
  readonly name: string;
  /** The rate of the next step. A number or a schedule may be assigned at any time and counts from the next step on. */
  get learningRate(): number;
  set learningRate(rate: Rate);
  /** Steps taken so far. */
  iterations: number;
  /** The learning rate of step `t` (from 1). */
  rateAt(t: number): number;
  /** What the kernel multiplies its direction with at step `t` (from 1), computed in float64. */
  stepSize(t: number): number;
  /** Allocates state for the weights and notes which are frozen; called again for the same model, it keeps the state. @throws ArgumentError for another model */
  build(store: ParameterStore): void;
  /**
   * Dispatches the update of what is trainable, by the gradients in the store and those of its penalties; `state` carries the
   * step size.
   */
  apply(store: ParameterStore, state: StepState): void;
  dispose(): void;
}

/** Options every optimiser takes. */
export interface OptimizerOptions extends ClipOptions {
  /** A number, or a schedule: a function of the step (from 0). */
  learningRate?: Rate;
}

/**
 * What optimisers have in common: the rate, and flat buffers for their state, in the layout of the weights. Without frozen
 * layers an update is one dispatch; each frozen layer in the midst of trained ones adds one. Clipping comes first where it is asked for.
 */
export abstract class FlatOptimizer implements Optimizer {
  abstract readonly name: string;
  iterations = 0;
  private rate: Rate;
  private readonly clipping: Clipping | null;
  private slots: DeviceArray[] = [];
  private store: ParameterStore | null = null;

  /** @throws ArgumentError for a rate or a limit of clipping that is not positive, or several limits */
  constructor(
    /** The class, as messages name it. */
    protected readonly kind: string,
    options: OptimizerOptions,
    defaultRate: number,
    /** Number of state values a weight. */
    private readonly slotCount: number,
  ) {
    checkOptions(kind, options);
    this.clipping = Clipping.of(kind, options);
    const { learningRate = defaultRate } = options;
    this.rate =
      typeof learningRate === 'function' ? learningRate : this.inRange('learningRate', learningRate, POSITIVE);
  }

  get learningRate(): number {
    return this.rateAt(this.iterations + 1);
  }

  set learningRate(rate: Rate) {
    this.rate = typeof rate === 'function' ? rate : this.inRange('learningRate', rate, NOT_NEGATIVE);
  }

  rateAt(t: number): number {
    if (typeof this.rate === 'number') return this.rate;
    return this.inRange(`the schedule's learning rate at step ${t - 1}`, this.rate(t - 1), NOT_NEGATIVE);
  }

  stepSize(t: number): number {
    return this.rateAt(t);
  }

  build(store: ParameterStore): void {
    if (this.store && this.store !== store) {
      throw new ArgumentError(`${this.kind}: this optimizer already serves another model; make one for each`);
    }
    this.clipping?.build(store);
    if (this.store) return;
    this.store = store;
    this.iterations = 0;
    this.slots = Array.from({ length: this.slotCount }, () => fill(store.device, store.values.shape, 0).keep());
  }

  apply(store: ParameterStore, state: StepState): void {
    if (this.store !== store) throw new ArgumentError(`${this.kind}: apply() before build()`);
    const { clipping } = this;
    if (clipping) {
      store.penalties?.addGradients(); // what is clipped is the sum
      clipping.apply(store);
    }
    for (const run of store.trainableRuns) {
      const slots = this.slots.map((slot) => part(slot, run));
      const penalties = clipping ? null : store.penalties?.of(run);
      this.update({ weight: part(store.values, run), gradient: part(store.gradients, run), penalties }, slots, state);
    }
  }

  /** Dispatches the update of a range; this optimiser's state is of the weights' shape. */
  protected abstract update(range: Update, slots: DeviceArray[], state: StepState): void;

  dispose(): void {
    this.clipping?.dispose();
    for (const slot of this.slots) slot.dispose();
    this.slots = [];
    this.store = null;
  }

  /** @throws ArgumentError unless `value` is a finite number of that range */
  protected inRange(what: string, value: number, { fits, range }: Range): number {
    if (!Number.isFinite(value) || !fits(value)) {
      throw new ArgumentError(`${this.kind}: ${what} must be ${range}, but is ${show(value)}`);
    }
    return value;
  }
}

export interface Range {
  fits(x: number): boolean;
  range: string;
}
export const POSITIVE: Range = { fits: (x) => x > 0, range: 'positive' };
export const NOT_NEGATIVE: Range = { fits: (x) => x >= 0, range: 'zero or more' };
export const SHARE: Range = { fits: (x) => x >= 0 && x < 1, range: 'in [0, 1)' };
