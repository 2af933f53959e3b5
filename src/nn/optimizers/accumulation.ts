import { formatValue, type OptionNames } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { accumulateGradients } from '../../kernels/optimizers/accumulate-gradients.ts';
import type { OptimizerStepValues, StepState } from '../../kernels/optimizers/step-state.ts';
import type { FlatLayout } from '../weights/flat-layout.ts';
import { sliceFlat } from '../weights/flat-range.ts';

/** How many steps share an update. */
export interface AccumulationOptions {
  /**
   * Steps between two updates, an integer of 2 or more, as in Keras: each adds its gradients to a sum, and the last updates the weights by
   * the mean. Four steps on batches of 32 train as one on 128 does, in the memory of 32, if no layer couples the samples of a batch.
   * Schedules and bias corrections count updates. Without it, each step updates the weights.
   */
  gradientAccumulationSteps?: number;
}
export const accumulationOptionNames: OptionNames<AccumulationOptions> = { gradientAccumulationSteps: true };

/** Accumulation on the flat gradient buffer: one dispatch more in each step, for each range of trainable weights. */
export class GradientAccumulation {
  /** Null if each step is an update. @throws ArgumentError unless the number of steps is an integer of 2 or more */
  static create(kind: string, { gradientAccumulationSteps: steps }: AccumulationOptions): GradientAccumulation | null {
    if (steps === undefined) return null;
    if (Number.isInteger(steps) && steps >= 2) return new GradientAccumulation(steps);
    throw new ArgumentError(
      `${kind}: gradientAccumulationSteps must be an integer of 2 or more, but is ${formatValue(steps)}; leave it out to update the weights ` +
        'in each step',
    );
  }

  private constructor(private readonly steps: number) {}

  get settings(): Readonly<Record<string, number>> {
    return { gradientAccumulationSteps: this.steps };
  }

  /** Number of the update, from 1, to which step `t` (from 1) belongs. */
  updateOf(t: number): number {
    return Math.ceil(t / this.steps);
  }

  /** The place of step `t` (from 1) among the steps of its update. */
  placeOf(t: number): Pick<OptimizerStepValues, 'keepsWeights' | 'beginsSum'> {
    const index = (t - 1) % this.steps;
    return { keepsWeights: index < this.steps - 1, beginsSum: index === 0 };
  }

  /** Adds the gradients of the trainable weights to `sum`, a buffer of their layout, and replaces them by the mean. */
  apply(store: FlatLayout, sum: DeviceArray, state: StepState): void {
    for (const range of store.trainableRanges) {
      accumulateGradients(sliceFlat(store.gradients, range), sliceFlat(sum, range), state, this.steps);
    }
  }
}
