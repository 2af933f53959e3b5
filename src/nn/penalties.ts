import { Tensor } from '../autograd/tensor.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { BLOCK } from '../kernels/blocks.ts';
import { addPenaltyGradient, penaltyValue } from '../kernels/penalties.ts';
import { add } from '../kernels/pointwise.ts';
import type { ParameterStore, Run } from './parameters.ts';

/**
 * The penalties of a model's weights, worked out on the flat buffers: the optimiser's dispatch adds the gradients, and up to three
 * give the value, whatever the number of layers. The penalty of a frozen weight stays in the loss, as in TensorFlow's Keras 2 (Keras 3
 * leaves it out), and has no gradient.
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

  /** loss [] plus the penalties of the weights as they stand. */
  addTo(loss: Tensor): Tensor {
    return new Tensor(add(loss.array, penaltyValue(this.store.values, this.coefficients)));
  }

  /** The coefficients of a range, for a kernel that adds the gradient itself; null for a range without penalties. */
  of({ offset, size }: Run): { coefficients: DeviceArray; first: number } | null {
    const [first, blocks] = [offset / BLOCK, size / BLOCK];
    const penalised = this.table.subarray(2 * first, 2 * (first + blocks)).some((coefficient) => coefficient !== 0);
    return penalised ? { coefficients: this.coefficients, first } : null;
  }

  /** Adds to the gradients that a backward pass left in the store. */
  addGradients(): void {
    const { values, gradients, trainableRuns } = this.store;
    for (const run of trainableRuns) {
      const range = this.of(run);
      if (range) addPenaltyGradient(part(values, run), range.coefficients, part(gradients, run), range.first);
    }
  }

  dispose(): void {
    this.coefficients.dispose();
  }
}

/** A range of a flat buffer as an array of its own. */
export function part(flat: DeviceArray, { offset, size }: { offset: number; size: number }): DeviceArray {
  return new DeviceArray(flat.device, [size], 'f32', 1, flat.storage.view(4 * offset, 4 * size));
}
