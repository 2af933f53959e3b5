import { ArgumentError } from '../errors.ts';
import type { DeviceArray } from '../kernels/array.ts';
import { adam } from '../kernels/optimizer.ts';
import { fill } from '../kernels/pointwise.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { ParameterStore } from './parameters.ts';

/** Updates all weights of a model in one dispatch. */
export interface Optimizer {
  readonly name: string;
  learningRate: number;
  /** Steps taken so far. */
  iterations: number;
  /** What the kernel multiplies its direction with at step `t` (from 1), computed in float64. */
  stepSize(t: number): number;
  /** Allocates state for the weights; calling it again for the same model does nothing. @throws ArgumentError for another model */
  build(store: ParameterStore): void;
  /** Dispatches the update; `state` carries the step size. */
  apply(store: ParameterStore, state: StepState): void;
  dispose(): void;
}

export interface AdamOptions {
  /** Default 0.001. */
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  /** Default 1e-7: Keras's, and ten times PyTorch's; it stands outside the bias correction, as in Keras. */
  epsilon?: number;
}

/** Adam (Kingma and Ba 2015) in Keras's form. */
export class Adam implements Optimizer {
  readonly name = 'adam';
  learningRate: number;
  iterations = 0;
  private readonly beta1: number;
  private readonly beta2: number;
  private readonly epsilon: number;
  private moments: { m: DeviceArray; v: DeviceArray } | null = null;
  private store: ParameterStore | null = null;

  /** @throws ArgumentError for a rate or epsilon that is not positive, or a beta outside [0, 1) */
  constructor(options: AdamOptions = {}) {
    this.learningRate = inRange('learningRate', options.learningRate ?? 0.001, (x) => x > 0, 'positive');
    this.beta1 = inRange('beta1', options.beta1 ?? 0.9, (x) => x >= 0 && x < 1, 'in [0, 1)');
    this.beta2 = inRange('beta2', options.beta2 ?? 0.999, (x) => x >= 0 && x < 1, 'in [0, 1)');
    this.epsilon = inRange('epsilon', options.epsilon ?? 1e-7, (x) => x > 0, 'positive');
  }

  stepSize(t: number): number {
    return (this.learningRate * Math.sqrt(1 - this.beta2 ** t)) / (1 - this.beta1 ** t);
  }

  build(store: ParameterStore): void {
    if (this.store === store) return;
    if (this.store) throw new ArgumentError('Adam: this optimizer already serves another model; make one for each');
    this.store = store;
    this.iterations = 0;
    const zeros = () => fill(store.device, store.values.shape, 0).keep();
    this.moments = { m: zeros(), v: zeros() };
  }

  apply(store: ParameterStore, state: StepState): void {
    if (!this.moments) throw new ArgumentError('Adam: apply() before build()');
    const { beta1, beta2, epsilon } = this;
    adam(store.values, store.gradients, this.moments, state, { beta1, beta2, epsilon });
  }

  dispose(): void {
    this.moments?.m.dispose();
    this.moments?.v.dispose();
    this.moments = null;
    this.store = null;
  }
}

function inRange(what: string, value: number, fits: (x: number) => boolean, range: string): number {
  if (!Number.isFinite(value) || !fits(value))
    throw new ArgumentError(`Adam: ${what} must be ${range}, but is ${value}`);
  return value;
}
