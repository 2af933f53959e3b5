import { Tensor } from '../autograd/tensor.ts';
import { listNames, show } from '../check.ts';
import { ArgumentError, DisposedError, OutOfMemoryError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, type Shape, sameShape, showShape, sizeOf } from '../kernels/array.ts';
import { BLOCK } from '../kernels/blocks.ts';
import { fill } from '../kernels/pointwise.ts';
import { RandomStream, type Seeds, seedOf } from '../random.ts';
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
  /** What it begins with instead of what the initializer draws: see `Model.setInitialWeights`. */
  initialValues?: InitialValues | undefined;
}

/** Values of a weight in every replica, or of each; undefined for one that draws them. */
export type InitialValues = Float32Array | readonly (Float32Array | undefined)[];

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
    const models = gradHome?.models ?? 1;
    if (this.trainable && !grad && gradHome) fill(device, gradHome.shape, 0, { models, into: gradHome });
  }

  dispose(): void {
    this.leaf.gradHome?.dispose();
    this.leaf.dispose();
  }
}

/** A range of the flat buffers: its elements, and its blocks in the table of blocks. */
export interface Run {
  offset: number;
  size: number;
  firstBlock: number;
  blocks: number;
}

const blocksOf = (shape: Shape) => Math.ceil(sizeOf(shape) / BLOCK);

/** Replicas at most: kernels count them along an axis of the dispatch, which holds no more. */
const MOST_REPLICAS = 65_535;

/** @throws ArgumentError unless there can be so many replicas */
export function checkReplicas(what: string, replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new ArgumentError(`${what}: replicas must be a positive integer, but is ${show(replicas)}`);
  }
  if (replicas > MOST_REPLICAS) {
    throw new ArgumentError(
      `${what}: there can be ${MOST_REPLICAS} replicas at most, but ${show(replicas)} were asked for`,
    );
  }
}

/** Before the host holds as much. @throws OutOfMemoryError unless the adapter has arrays of so many elements */
function checkFits(device: Device, size: number): void {
  if (4 * size <= device.largestArray) return;
  throw new OutOfMemoryError(
    `build: the weights take ${4 * size} bytes in one array, but this adapter binds at most ${device.largestArray}; use a smaller model`,
  );
}

/** @throws DisposedError, ShapeError for the weights of another model that cannot be copied */
function checkCopied(name: string, shape: Shape, from: Tensor): void {
  if (from.array.disposed) {
    throw new DisposedError(
      `${name}: its layer is part of a model that was disposed; make the layer anew, or dispose of that model later`,
    );
  }
  if (!sameShape(from.shape, shape)) {
    throw new ShapeError(
      `${name}: has shape ${showShape(from.shape)} in another model that its layer is part of, but would have ${showShape(shape)} here; make a new layer`,
    );
  }
}

/** @throws ShapeError when there is not a value for each element; ArgumentError if the initialiser gave one that is not finite */
function firstValues({ name, shape, initializer, copyOf, ...spec }: WeightSpec, random: RandomStream, replica: number) {
  if (copyOf) {
    checkCopied(name, shape, copyOf.tensor);
    return new Float32Array(sizeOf(shape));
  }
  const initialValues = Array.isArray(spec.initialValues) ? spec.initialValues[replica] : spec.initialValues;
  if (initialValues) {
    if (initialValues instanceof Float32Array && initialValues.length === sizeOf(shape)) return initialValues;
    throw new ShapeError(
      `${name}: initialValues must be a Float32Array of ${sizeOf(shape)} for a weight of shape ${showShape(shape)}, but is ${show(initialValues)}`,
    );
  }
  const values = initializer(shape, random);
  if (values?.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${name}: the initializer gave ${values?.length} values for a weight of shape ${showShape(shape)}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new ArgumentError(
      `${name}: the initializer gave ${show(values[i])} as value ${i}, but weights must be finite`,
    );
  }
  return values;
}

/** @throws ArgumentError for values of other replicas than there are */
function checkInitialCount({ name, initialValues }: WeightSpec, replicas: number): void {
  if (!Array.isArray(initialValues) || initialValues.length === replicas) return;
  throw new ArgumentError(
    `${name}: initial weights were given for ${initialValues.length} replicas, but there are ${replicas}`,
  );
}

/** Each replica begins with the only one there is, or with its own. @throws ArgumentError when they are on different devices, or of other replicas */
function copyInto(name: string, from: DeviceArray, to: DeviceArray): void {
  if (from.device !== to.device) {
    throw new ArgumentError(
      `${name}: the model it belongs to was built on another device, so it cannot be part of this one`,
    );
  }
  if (from.models !== 1 && from.models !== to.models) {
    throw new ArgumentError(
      `${name}: the model it belongs to has ${from.models} replicas, so it cannot be part of one of ${to.models}`,
    );
  }
  const bytes = 4 * to.size;
  for (let model = 0; model < to.models; model++) {
    const source = Math.min(model, from.models - 1);
    to.device.copy(from.storage.view(source * bytes, bytes), to.storage.view(model * bytes, bytes));
  }
}

/**
 * All weights of a model that can be trained in one flat buffer and all gradients in another of the same layout, so that an
 * optimiser updates everything in one dispatch. The gaps between weights hold zeros, whose gradients stay zero. Weights that
 * are never trained lie in a buffer of their own. Of several replicas, all copies of a weight lie one after another, as kernels
 * want them, before the next weight begins.
 */
export class ParameterStore {
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly weights: readonly Weight[];
  /** Null where no weight has a penalty. */
  readonly penalties: Penalties | null;
  /** Whether the weights are as the seed gave them: neither trained nor loaded. */
  fresh = true;
  /** Copies of the weights that nobody has disposed yet. */
  readonly copies = new Set<{ dispose(): void }>();
  private readonly untrained: DeviceArray;
  private owner: DeviceArray | null = null;

  /**
   * Weight number i draws from stream i of the replica's seed: adding a layer at the end leaves the others' values alone.
   */
  constructor(
    readonly device: Device,
    specs: readonly WeightSpec[],
    readonly seeds: Seeds,
    readonly replicas = 1,
  ) {
    for (const spec of specs) checkInitialCount(spec, replicas);
    const padded = ({ shape }: WeightSpec) => Math.ceil((replicas * sizeOf(shape)) / BLOCK) * BLOCK;
    const total = (trainable: boolean) =>
      specs.filter((spec) => (spec.trainable ?? true) === trainable).reduce((sum, spec) => sum + padded(spec), 0) ||
      BLOCK;
    for (const size of [total(true), total(false)]) checkFits(device, size);
    const [hostValues, hostUntrained] = [new Float32Array(total(true)), new Float32Array(total(false))];
    const names = listNames(
      specs.map(({ name }) => name),
      2,
    );
    this.values = DeviceArray.empty(device, [hostValues.length]).keep(`weights ${names}`);
    this.gradients = DeviceArray.empty(device, [hostValues.length]).keep(`gradients of ${names}`);
    this.untrained = DeviceArray.empty(device, [hostUntrained.length]).keep(`weights without gradients of ${names}`);
    let [at, untrainedAt] = [0, 0];
    this.weights = specs.map((spec, i) => {
      const trainable = spec.trainable ?? true;
      const offset = trainable ? at : untrainedAt;
      if (trainable) at += padded(spec);
      else untrainedAt += padded(spec);
      const size = sizeOf(spec.shape);
      for (let r = 0; r < replicas; r++) {
        const initial = firstValues(spec, new RandomStream(seedOf(seeds, r), 'initializer', i), r);
        (trainable ? hostValues : hostUntrained).set(initial, offset + r * size);
      }
      const view = (flat: DeviceArray) => {
        const storage = flat.storage.view(4 * offset, 4 * replicas * size);
        return new DeviceArray(device, spec.shape, 'f32', replicas, storage).keep();
      };
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

  /** Every replica begins with the weights of another store of the same model, which has one. */
  copyFrom(other: ParameterStore): void {
    for (const [i, { name, tensor }] of this.weights.entries()) {
      copyInto(name, other.weights[i]!.tensor.array, tensor.array);
    }
    this.fresh = other.fresh;
  }

  /** Whose weights are frozen now, as a word to compare by: also of layers that have only averages, which training moves. */
  get frozen(): string {
    return this.weights.map(({ spec }) => ((spec.owner?.trainable ?? true) ? '1' : '0')).join('');
  }

  /** Ranges of the flat buffers that are trained now, neighbours joined: one, unless layers are frozen. */
  get trainableRuns(): Run[] {
    const runs: Run[] = [];
    let block = 0;
    for (const { offset, trainable, spec } of this.weights) {
      if (offset === null) continue;
      const blocks = blocksOf(spec.shape);
      const size = Math.ceil((this.replicas * sizeOf(spec.shape)) / BLOCK) * BLOCK;
      const last = runs.at(-1);
      if (trainable && last && last.offset + last.size === offset) {
        last.size += size;
        last.blocks += blocks;
      } else if (trainable) {
        runs.push({ offset, size, firstBlock: block, blocks });
      }
      block += blocks;
    }
    return runs;
  }

  /**
   * u32 [replicas, blocks, 4]: where each block of at most 64 elements of a weight begins in each replica, how many elements it
   * has, and two words that `words` gives for it. The caller owns it.
   */
  blockTable(words: (spec: WeightSpec, replica: number) => readonly [number, number] = () => [0, 0]): DeviceArray {
    const trained = this.weights.filter(({ offset }) => offset !== null);
    const entries: number[] = [];
    for (let r = 0; r < this.replicas; r++) {
      for (const { offset, spec } of trained) {
        const size = sizeOf(spec.shape);
        const [a, b] = words(spec, r);
        for (let first = 0; first < size; first += BLOCK) {
          entries.push(offset! + r * size + first, Math.min(BLOCK, size - first), a, b);
        }
      }
    }
    const options = { dtype: 'u32', models: this.replicas } as const;
    const table = DeviceArray.empty(this.device, [entries.length / 4 / this.replicas, 4], options).keep();
    if (entries.length > 0) this.device.upload(table.storage, Uint32Array.from(entries));
    return table;
  }

  /** u32 of the flat buffers' size: the replica each element belongs to, after `tellOwners`. */
  get owners(): DeviceArray {
    return this.owner!;
  }

  /** Sends the table of owners to the GPU, which cannot be done while a step is recorded. */
  tellOwners(): void {
    if (this.owner) return;
    const table = new Uint32Array(this.values.size);
    for (const { offset, spec } of this.weights) {
      if (offset === null) continue;
      const size = sizeOf(spec.shape);
      for (let r = 0; r < this.replicas; r++) table.fill(r, offset + r * size, offset + (r + 1) * size);
    }
    this.owner = DeviceArray.empty(this.device, [table.length], { dtype: 'u32' }).keep();
    this.device.upload(this.owner.storage, table);
  }

  /** Everything that makes up the weights, trained or not. */
  get buffers(): readonly DeviceArray[] {
    return [this.values, this.untrained];
  }

  /** Replicas with a weight that is NaN or infinite. Waits for the GPU. */
  async brokenReplicas(): Promise<Set<number>> {
    const broken = new Set<number>();
    for (const flat of this.buffers) {
      const { storage } = flat;
      const held = this.weights.filter(({ tensor }) => tensor.array.storage.buffer === storage.buffer);
      if (held.length === 0) continue;
      const all = new Float32Array(await this.device.read(storage));
      for (const { tensor } of held) {
        const { size, array } = tensor;
        const first = (array.storage.offset - storage.offset) / 4;
        for (let r = 0; r < this.replicas; r++) {
          const values = all.subarray(first + r * size, first + (r + 1) * size);
          if (!values.every(Number.isFinite)) broken.add(r);
        }
      }
    }
    return broken;
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
    for (const copy of this.copies) copy.dispose();
    for (const weight of this.weights) weight.dispose();
    this.values.dispose();
    this.gradients.dispose();
    this.untrained.dispose();
    this.owner?.dispose();
    this.penalties?.dispose();
  }
}
