import { Tensor } from '../autograd/tensor.ts';
import { ArgumentError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, type Shape, showShape, sizeOf } from '../kernels/array.ts';
import { BLOCK } from '../kernels/blocks.ts';
import { fill } from '../kernels/pointwise.ts';
import { moveWindow } from '../kernels/view.ts';
import { RandomStream } from '../random.ts';
import type { Initializer } from './initializers.ts';
import { Penalties } from './penalties.ts';
import type { Regularizer } from './regularizers.ts';

/** A weight that a layer asks for. */
export interface WeightSpec {
  name: string;
  shape: Shape;
  initializer: Initializer;
  /** A penalty on it in the loss and in its gradient. */
  regularizer?: Regularizer | undefined;
  /** False for what no gradient changes, such as running statistics; the layer writes to it itself. Default true. */
  trainable?: boolean;
  /** The layer it belongs to, which may be frozen; the model fills it in. */
  owner?: { readonly trainable: boolean };
  /** The weight of another model on the same device that it begins as a copy of. */
  copyOf?: Weight | undefined;
}

/** A weight of a built model. */
export class Weight {
  /** Where its elements begin in the store's flat `values` and `gradients`; null for what is never trained. */
  readonly offset: number | null;

  constructor(
    /** Layer and weight, such as `conv2d/kernel`. */
    readonly name: string,
    readonly spec: WeightSpec,
    /** Both share the elements: the first takes part in backward passes, the second stands in while the layer is frozen. */
    private readonly leaf: Tensor,
    private readonly frozen: Tensor,
    offset: number | null,
  ) {
    this.offset = offset;
  }

  /** Whether training changes it: not if its kind is never trained, nor while its layer has `trainable = false`. */
  get trainable(): boolean {
    return this.offset !== null && (this.spec.owner?.trainable ?? true);
  }

  /** The values; without gradient while not trainable, so that no gradient kernel runs for them. */
  get tensor(): Tensor {
    return this.trainable ? this.leaf : this.frozen;
  }

  zeroGrad(): void {
    this.leaf.grad = null;
  }

  /** Zeros for a gradient that the last backward pass did not reach, where those of an earlier pass may stand. */
  clearUnreached(): void {
    const { grad, gradHome, device } = this.leaf;
    if (this.trainable && !grad && gradHome) fill(device, gradHome.shape, 0, { into: gradHome });
  }

  dispose(): void {
    this.leaf.gradHome?.dispose();
    this.leaf.dispose();
  }
}

/** A range of elements of the flat buffers. */
export interface Run {
  offset: number;
  size: number;
}

const padded = (shape: Shape) => Math.ceil(sizeOf(shape) / BLOCK) * BLOCK;

/** @throws ShapeError when the initialiser does not give a value for each element */
function initialValues(
  { name, shape, initializer, copyOf }: WeightSpec,
  random: RandomStream,
): Float32Array<ArrayBuffer> {
  if (copyOf) return new Float32Array(sizeOf(shape));
  const values = initializer(shape, random);
  if (values?.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${name}: the initializer gave ${values?.length} values for a weight of shape ${showShape(shape)}`,
    );
  }
  return values;
}

/** @throws ArgumentError when they are on different devices */
function copyInto(name: string, from: DeviceArray, to: DeviceArray): void {
  if (from.device !== to.device) {
    throw new ArgumentError(
      `${name}: the model it belongs to was built on another device, so it cannot be part of this one`,
    );
  }
  const origin = from.shape.map(() => 0);
  moveWindow('build', from, origin, from.shape, { into: to });
}

/**
 * All weights of a model that can be trained in one flat buffer and all gradients in another of the same layout, so that an
 * optimiser updates everything in one dispatch. The gaps between weights hold zeros, whose gradients stay zero. Weights that
 * are never trained lie in a buffer of their own.
 */
export class ParameterStore {
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly weights: readonly Weight[];
  /** Null where no weight has a penalty. */
  readonly penalties: Penalties | null;
  private readonly untrained: DeviceArray;

  /** Weight number i draws from stream i of `seed`: adding a layer at the end leaves the others' values alone. */
  constructor(
    readonly device: Device,
    specs: readonly WeightSpec[],
    seed: number,
  ) {
    const initial = specs.map((spec, i) => initialValues(spec, new RandomStream(seed, 'initializer', i)));
    const total = (trainable: boolean) =>
      specs
        .filter((spec) => (spec.trainable ?? true) === trainable)
        .reduce((sum, { shape }) => sum + padded(shape), 0) || BLOCK;
    const [hostValues, hostUntrained] = [new Float32Array(total(true)), new Float32Array(total(false))];
    this.values = DeviceArray.empty(device, [hostValues.length]).keep();
    this.gradients = DeviceArray.empty(device, [hostValues.length]).keep();
    this.untrained = DeviceArray.empty(device, [hostUntrained.length]).keep();
    let [at, untrainedAt] = [0, 0];
    this.weights = specs.map((spec, i) => {
      const trainable = spec.trainable ?? true;
      const offset = trainable ? at : untrainedAt;
      if (trainable) at += padded(spec.shape);
      else untrainedAt += padded(spec.shape);
      (trainable ? hostValues : hostUntrained).set(initial[i]!, offset);
      const view = (flat: DeviceArray) =>
        new DeviceArray(device, spec.shape, 'f32', 1, flat.storage.view(4 * offset, 4 * sizeOf(spec.shape))).keep();
      const array = view(trainable ? this.values : this.untrained);
      const leaf = new Tensor(array, trainable);
      if (trainable) leaf.gradHome = view(this.gradients);
      return new Weight(spec.name, spec, leaf, new Tensor(array), trainable ? offset : null);
    });
    device.upload(this.values.storage, hostValues);
    device.upload(this.untrained.storage, hostUntrained);
    fill(device, this.gradients.shape, 0, { into: this.gradients });
    for (const { name, spec, tensor } of this.weights)
      if (spec.copyOf) copyInto(name, spec.copyOf.tensor.array, tensor.array);
    this.penalties = Penalties.of(this);
  }

  /** Ranges of the flat buffers that are trained now, neighbours joined: one, unless layers are frozen. */
  get trainableRuns(): Run[] {
    const runs: Run[] = [];
    for (const { offset, trainable, tensor } of this.weights) {
      if (offset === null || !trainable) continue;
      const last = runs.at(-1);
      if (last && last.offset + last.size === offset) last.size += padded(tensor.shape);
      else runs.push({ offset, size: padded(tensor.shape) });
    }
    return runs;
  }

  /** Everything that makes up the weights, trained or not. */
  get buffers(): readonly DeviceArray[] {
    return [this.values, this.untrained];
  }

  /** Makes the flat gradients those of the last `backward` alone, after `zeroGrad()` before it. */
  settleGradients(): void {
    for (const weight of this.weights) weight.clearUnreached();
  }

  /** Forgets all gradients: the next `backward` overwrites them. */
  zeroGrad(): void {
    for (const weight of this.weights) weight.zeroGrad();
  }

  dispose(): void {
    for (const weight of this.weights) weight.dispose();
    this.values.dispose();
    this.gradients.dispose();
    this.untrained.dispose();
    this.penalties?.dispose();
  }
}
