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

/** The flat buffers whose weights have penalties: see `ParameterStore`. */
interface PenalizedStore {
  readonly device: Device;
  readonly replicas: number;
  /** Values and gradients of all weights, and the replica that each element belongs to. */
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly replicaOfElement: DeviceArray;
  readonly weights: readonly { readonly offset: number | null; readonly spec: WeightSpec }[];
  readonly trainableRanges: FlatRange[];
  blockTable(entry: (spec: WeightSpec, replica: number) => readonly [number, number]): DeviceArray;
}

/**
 * The penalties of a model's weights, worked out on the flat buffers: the optimiser's dispatch adds the gradients, and up to
 * four give the value, whatever the number of layers, unless some are frozen. A weight that is frozen when a step is
 * recorded (at each `fit` or `evaluate`) has no penalty, neither in the loss nor in its gradient, as in Keras 3; TensorFlow's
 * Keras 2 left it in the loss.
 */
export class Penalties {
  /** Null for a model without any. */
  static of(store: PenalizedStore): Penalties | null {
    const specs = store.weights.flatMap(({ offset, spec }) => (offset === null ? [] : [spec]));
    const isPositive = (rate: number | readonly number[] = 0) =>
      typeof rate === 'number' ? rate > 0 : rate.some((r) => r > 0);
    const isPenalized = specs.some(({ regularizer }) => isPositive(regularizer?.l1) || isPositive(regularizer?.l2));
    return isPenalized ? new Penalties(store, specs) : null;
  }

  /** Whether replicas differ in their penalties. */
  readonly perReplica: boolean;
  /** For each block of the flat buffers, of each replica where they differ. */
  private readonly table: Float32Array<ArrayBuffer>;
  private readonly coefficients: DeviceArray;
  private readonly blocks: DeviceArray;

  private constructor(
    private readonly store: PenalizedStore,
    private readonly specs: readonly WeightSpec[],
  ) {
    const { device, replicas, values, weights } = store;
    this.perReplica = replicas > 1 && specs.some(({ regularizer: r }) => Array.isArray(r?.l1) || Array.isArray(r?.l2));
    const models = this.perReplica ? replicas : 1;
    const blocks = values.size / BLOCK;
    this.table = new Float32Array(2 * models * blocks);
    for (let model = 0; model < models; model++) {
      for (const [i, { offset, spec }] of weights.entries()) {
        if (offset === null || !spec.regularizer) continue;
        const end = weights.slice(i + 1).find((next) => next.offset !== null)?.offset ?? values.size;
        const pair = [penaltyRate(spec.regularizer.l1, model), penaltyRate(spec.regularizer.l2, model)];
        for (let block = offset / BLOCK; block < end / BLOCK; block++)
          this.table.set(pair, 2 * (model * blocks + block));
      }
    }
    this.coefficients = DeviceArray.empty(device, [models, blocks, 2]).keep();
    device.upload(this.coefficients.storage, this.table);
    this.blocks = store.blockTable(({ regularizer = { l1: 0, l2: 0 } }, replica) => [
      f32Bits(penaltyRate(regularizer.l1, replica)),
      f32Bits(penaltyRate(regularizer.l2, replica)),
    ]);
  }

  /**
   * loss [] plus the penalties of the weights that are trained, as they stand.
   * @throws ArgumentError for a list of rates that has not one for each replica
   */
  addTo(loss: Tensor): Tensor {
    for (const { name, regularizer } of this.specs) checkRateCounts(name, regularizer, this.store.replicas);
    return this.penalizedRanges.reduce((total, { firstBlock, blocks }) => {
      const value = penaltyValue(this.store.values, this.blocks, { first: firstBlock, blocks });
      return new Tensor(add(total.array, value));
    }, loss);
  }

  /** The coefficients of a range, for a kernel that adds the gradient itself; null for a range without penalties. */
  of(run: FlatRange): PenaltyTable | null {
    return this.hasPenalty(run) ? { coefficients: this.coefficients, first: run.offset / BLOCK } : null;
  }

  /** Adds to the gradients that a backward pass left in the store. */
  addGradients(): void {
    const { store, perReplica } = this;
    for (const run of this.penalizedRanges) {
      const [weight, gradient] = [sliceFlat(store.values, run), sliceFlat(store.gradients, run)];
      addPenaltyGradient({
        weight,
        gradient,
        penalties: this.of(run),
        replicaOfElement: perReplica ? sliceFlat(store.replicaOfElement, run) : null,
      });
    }
  }

  /** The ranges that are trained now and have a penalty somewhere. */
  private get penalizedRanges(): FlatRange[] {
    return this.store.trainableRanges.filter((run) => this.hasPenalty(run));
  }

  private hasPenalty({ offset, size }: FlatRange): boolean {
    const blocks = this.store.values.size / BLOCK;
    const models = this.table.length / 2 / blocks;
    for (let model = 0; model < models; model++) {
      const first = model * blocks + offset / BLOCK;
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
      `${name}: its penalty has ${list.length} rates, one for each replica, but the model has ${replicas}`,
    );
  }
}
