import { Tensor } from '../autograd/tensor.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { BLOCK } from '../kernels/blocks.ts';
import { addPenaltyGradient, penaltyValue } from '../kernels/penalties.ts';
import { add } from '../kernels/pointwise.ts';
import type { ParameterStore, Run } from './parameters.ts';

/**
 * The penalties of a model's weights, worked out on the flat buffers: the optimiser's dispatch adds the gradients, and up to
 * four give the value, whatever the number of layers, unless some are frozen. A weight that is frozen when a step is
 * recorded (at each `fit` or `evaluate`) has no penalty, neither in the loss nor in its gradient, as in Keras 3; TensorFlow's
 * Keras 2 left it in the loss.
 */
export class Penalties {
  /** Null for a model without any. */
  static of(store: ParameterStore): Penalties | null {
    const table = new Float32Array((2 * store.values.size) / BLOCK);
    for (const { offset, spec } of store.weights) {
      if (offset === null || !spec.regularizer) continue;
      const { l1, l2 } = spec.regularizer;
      const first = offset / BLOCK;
      for (let block = first; BLOCK * (block - first) < sizeOf(spec.shape); block++) table.set([l1, l2], 2 * block);
    }
    return table.some((coefficient) => coefficient !== 0) ? new Penalties(store, table) : null;
  }

  private readonly coefficients: DeviceArray;

  private constructor(
    private readonly store: ParameterStore,
    private readonly table: Float32Array<ArrayBuffer>,
  ) {
    this.coefficients = DeviceArray.empty(store.device, [table.length / 2, 2]).keep();
    store.device.upload(this.coefficients.storage, table);
  }

  /** loss [] plus the penalties of the weights that are trained, as they stand. */
  addTo(loss: Tensor): Tensor {
    const { values } = this.store;
    return this.runs.reduce(
      (total, run) =>
        new Tensor(add(total.array, penaltyValue(part(values, run), this.coefficients, run.offset / BLOCK))),
      loss,
    );
  }

  /** The coefficients of a range, for a kernel that adds the gradient itself; null for a range without penalties. */
  of(run: Run): { coefficients: DeviceArray; first: number } | null {
    return this.concerns(run) ? { coefficients: this.coefficients, first: run.offset / BLOCK } : null;
  }

  /** Adds to the gradients that a backward pass left in the store. */
  addGradients(): void {
    const { values, gradients } = this.store;
    for (const run of this.runs) {
      addPenaltyGradient(part(values, run), this.coefficients, part(gradients, run), run.offset / BLOCK);
    }
  }

  /** The ranges that are trained now and have a penalty somewhere. */
  private get runs(): Run[] {
    return this.store.trainableRuns.filter((run) => this.concerns(run));
  }

  private concerns({ offset, size }: Run): boolean {
    return this.table
      .subarray((2 * offset) / BLOCK, (2 * (offset + size)) / BLOCK)
      .some((coefficient) => coefficient !== 0);
  }

  dispose(): void {
    this.coefficients.dispose();
  }
}

/** A range of a flat buffer as an array of its own. */
export function part(flat: DeviceArray, { offset, size }: { offset: number; size: number }): DeviceArray {
  return new DeviceArray(flat.device, [size], 'f32', 1, flat.storage.view(4 * offset, 4 * size));
}
