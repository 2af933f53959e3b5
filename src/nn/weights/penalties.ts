import { Tensor } from '../../autograd/tensor.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import type { PenaltyTable } from '../../kernels/optimizers/optimizer.ts';
import { addPenaltyGradient, penaltyValue } from '../../kernels/optimizers/penalties.ts';
import { add } from '../../kernels/pointwise/pointwise.ts';
import { f32Bits } from '../../kernels/run.ts';
import { penaltyRate } from '../regularizers.ts';
import { type FlatRange, sliceFlat } from './flat-range.ts';
import type { WeightSpec } from './weight.ts';

/** The part of `ParameterStore` that penalties need. */
interface PenalizedStore {
  readonly device: Device;
  readonly replicas: number;
  /** Values of all trainable weights, their gradients, and the replica of each element. */
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly replicaOfElement: DeviceArray;
  readonly weights: readonly { readonly offset: number | null; readonly spec: WeightSpec }[];
  readonly trainableRanges: FlatRange[];
  blockTable(entry: (spec: WeightSpec, replica: number) => readonly [number, number]): DeviceArray;
}

/**
 * Penalties of a model's weights, computed on the flat buffers. The optimizer's dispatch adds the gradients; the value takes at most
 * four dispatches for any number of layers, and more only if layers are frozen.
 * A weight that is frozen when a step is recorded (at each `fit` or `evaluate`) has no penalty in the loss and in the gradient, as in
 * Keras 3. TensorFlow's Keras 2 kept it in the loss.
 */
export class Penalties {
  /** Null for a model without penalties. */
  static create(store: PenalizedStore): Penalties | null {
    const specs = store.weights.flatMap(({ offset, spec }) => (offset === null ? [] : [spec]));
    const isPositive = (rate: number | readonly number[] = 0) =>
      typeof rate === 'number' ? rate > 0 : rate.some((r) => r > 0);
    const isPenalized = specs.some(({ regularizer }) => isPositive(regularizer?.l1) || isPositive(regularizer?.l2));
    return isPenalized ? new Penalties(store, specs) : null;
  }

  /** Whether the replicas have different rates. */
  readonly perReplica: boolean;
  /** f32 [replicas if they differ, else 1; blocks; 2]: l1 and l2 of each block of the flat buffers. */
  private readonly table: Float32Array<ArrayBuffer>;
  private readonly coefficients: DeviceArray;
  private readonly blocks: DeviceArray;

  private constructor(
    private readonly store: PenalizedStore,
    private readonly specs: readonly WeightSpec[],
  ) {
    const { device, replicas, values, weights } = store;
    this.perReplica = replicas > 1 && specs.some(({ regularizer: r }) => Array.isArray(r?.l1) || Array.isArray(r?.l2));
    const tableCount = this.perReplica ? replicas : 1;
    const blocks = values.size / BLOCK;
    this.table = new Float32Array(2 * tableCount * blocks);
    for (let replica = 0; replica < tableCount; replica++) {
      for (const [i, { offset, spec }] of weights.entries()) {
        if (offset === null || !spec.regularizer) continue;
        const end = weights.slice(i + 1).find((next) => next.offset !== null)?.offset ?? values.size;
        const pair = [penaltyRate(spec.regularizer.l1, replica), penaltyRate(spec.regularizer.l2, replica)];
        for (let block = offset / BLOCK; block < end / BLOCK; block++)
          this.table.set(pair, 2 * (replica * blocks + block));
      }
    }
    this.coefficients = DeviceArray.empty(device, [tableCount, blocks, 2]).keep();
    device.upload(this.coefficients.storage, this.table);
    this.blocks = store.blockTable(({ regularizer = { l1: 0, l2: 0 } }, replica) => [
      f32Bits(penaltyRate(regularizer.l1, replica)),
      f32Bits(penaltyRate(regularizer.l2, replica)),
    ]);
  }

  /**
   * loss [] plus the penalties of the trainable weights.
   * @throws ArgumentError if a list of rates does not have one for each replica
   */
  addTo(loss: Tensor): Tensor {
    for (const { name, regularizer } of this.specs) checkRateCounts(name, regularizer, this.store.replicas);
    return this.penalizedRanges.reduce((total, { firstBlock, blocks }) => {
      const value = penaltyValue(this.store.values, this.blocks, { first: firstBlock, blocks });
      return new Tensor(add(total.array, value));
    }, loss);
  }

  /** Coefficients of a range, for a kernel that adds the gradient itself; null for a range without penalties. */
  tableFor(run: FlatRange): PenaltyTable | null {
    return this.hasPenalty(run) ? { coefficients: this.coefficients, first: run.offset / BLOCK } : null;
  }

  /** Adds the penalties' gradients to those in the store. */
  addGradients(): void {
    const { store, perReplica } = this;
    for (const run of this.penalizedRanges) {
      const [weight, gradient] = [sliceFlat(store.values, run), sliceFlat(store.gradients, run)];
      addPenaltyGradient({
        weight,
        gradient,
        penalties: this.tableFor(run),
        replicaOfElement: perReplica ? sliceFlat(store.replicaOfElement, run) : null,
      });
    }
  }

  /** The trainable ranges in which some weight has a penalty. */
  private get penalizedRanges(): FlatRange[] {
    return this.store.trainableRanges.filter((run) => this.hasPenalty(run));
  }

  private hasPenalty({ offset, size }: FlatRange): boolean {
    const blocks = this.store.values.size / BLOCK;
    const tableCount = this.table.length / 2 / blocks;
    for (let replica = 0; replica < tableCount; replica++) {
      const first = replica * blocks + offset / BLOCK;
      if (this.table.subarray(2 * first, 2 * (first + size / BLOCK)).some((rate) => rate !== 0)) return true;
    }
    return false;
  }

  dispose(): void {
    this.coefficients.dispose();
    this.blocks.dispose();
  }
}

/** @throws ArgumentError */
function checkRateCounts(name: string, regularizer: WeightSpec['regularizer'], replicas: number): void {
  for (const list of [regularizer?.l1, regularizer?.l2]) {
    if (!Array.isArray(list) || list.length === replicas) continue;
    throw new ArgumentError(
      `${name}: its penalty has ${list.length} rates, but the model has ${replicas} replicas; give one rate for each`,
    );
  }
}
