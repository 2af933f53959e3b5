import { Tensor } from '../../autograd/tensor.ts';
import { formatValue, listNames } from '../../base/check.ts';
import { ArgumentError, DisposedError, OutOfMemoryError, ShapeError } from '../../base/errors.ts';
import { RandomStream, type Seeds, seedOf } from '../../base/random.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, type Shape, sameShape, showShape, sizeOf } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import { FlatLayout, type UpdateRange } from './flat-layout.ts';
import { sliceFlat } from './flat-range.ts';
import { Penalties } from './penalties.ts';
import { type AttachedOptimizer, TrainingDraws } from './training-draws.ts';
import { Weight, type WeightSpec } from './weight.ts';

/** Limit of an axis of a dispatch, along which kernels count replicas. */
const MAX_REPLICAS = 65_535;

/** @throws ArgumentError unless `replicas` is an integer from 1 to 65,535 */
export function checkReplicas(subject: string, replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new ArgumentError(`${subject}: replicas must be a positive integer, but is ${formatValue(replicas)}`);
  }
  if (replicas > MAX_REPLICAS) {
    throw new ArgumentError(`${subject}: replicas must be at most ${MAX_REPLICAS}, but is ${formatValue(replicas)}`);
  }
}

/** Called before the host allocates as much. @throws OutOfMemoryError if `size` f32 elements exceed the adapter's largest array */
function checkFits(device: Device, size: number): void {
  if (4 * size <= device.largestArray) return;
  throw new OutOfMemoryError(
    `build: the weights take ${4 * size} bytes in one array, but this adapter binds at most ${device.largestArray}; use a smaller model`,
  );
}

/** @throws DisposedError or ShapeError if the weight of another model cannot be copied */
function checkCopySource(name: string, shape: Shape, from: Tensor): void {
  if (from.array.disposed) {
    throw new DisposedError(
      `${name}: its layer is part of a model that was disposed; make a new layer, or dispose of that model later`,
    );
  }
  if (!sameShape(from.shape, shape)) {
    throw new ShapeError(
      `${name}: its layer is part of another model, in which it has shape ${showShape(from.shape)}, but here it needs ${showShape(shape)}; make a new layer`,
    );
  }
}

/** @throws ShapeError if the number of values is not the weight's size; ArgumentError if the initializer returned one that is not finite */
function computeInitialValues(
  { name, shape, initializer, copyOf, ...spec }: WeightSpec,
  random: RandomStream,
  replica: number,
) {
  if (copyOf) {
    checkCopySource(name, shape, copyOf.tensor);
    return new Float32Array(sizeOf(shape));
  }
  const initialValues = Array.isArray(spec.initialValues) ? spec.initialValues[replica] : spec.initialValues;
  if (initialValues) {
    if (initialValues instanceof Float32Array && initialValues.length === sizeOf(shape)) return initialValues;
    throw new ShapeError(
      `${name}: initialValues must be a Float32Array of ${sizeOf(shape)} for a weight of shape ${showShape(shape)}, but is ${formatValue(initialValues)}`,
    );
  }
  const values = initializer(shape, random);
  if (values?.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${name}: the initializer returned ${values?.length} values for a weight of shape ${showShape(shape)}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new ArgumentError(
      `${name}: the initializer returned ${formatValue(values[i])} as value ${i}, but weights must be finite`,
    );
  }
  return values;
}

/** @throws ArgumentError if a list of initial values does not have one entry for each replica */
function checkInitialCount({ name, initialValues }: WeightSpec, replicas: number): void {
  if (!Array.isArray(initialValues) || initialValues.length === replicas) return;
  throw new ArgumentError(
    `${name}: initial weights were given for ${initialValues.length} replicas, but the model has ${replicas}`,
  );
}

/**
 * Copies replica by replica; a single source replica is copied to all.
 * @throws ArgumentError if the devices differ, or the replicas differ and `from` has more than one
 */
function copyReplicas(name: string, from: DeviceArray, to: DeviceArray): void {
  if (from.device !== to.device) {
    throw new ArgumentError(
      `${name}: the model it belongs to was built on another device, so it cannot be part of this one`,
    );
  }
  if (from.replicas !== 1 && from.replicas !== to.replicas) {
    throw new ArgumentError(
      `${name}: the model it belongs to has ${from.replicas} replicas, so it cannot be part of a model with ${to.replicas}`,
    );
  }
  const bytes = 4 * to.size;
  for (let replica = 0; replica < to.replicas; replica++) {
    const source = Math.min(replica, from.replicas - 1);
    to.device.copy(from.storage.view(source * bytes, bytes), to.storage.view(replica * bytes, bytes));
  }
}

/**
 * Trainable weights of a model in one flat buffer, and their gradients in another with the same layout. An optimizer therefore updates
 * all of them in one dispatch. Gaps between weights hold zeros, and their gradients stay zero. Weights that are never trained are in a
 * separate buffer. With several replicas, a weight's values of all replicas follow each other, as kernels require.
 */
export class ParameterStore extends FlatLayout<Weight> {
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly weights: readonly Weight[];
  /** Null if no weight has a penalty. */
  readonly penalties: Penalties | null;
  /** Optimizers created for these weights. They are disposed with them; random layers draw by the next step of the last one. */
  readonly optimizers = new Set<AttachedOptimizer>();
  /** Step numbers for random layers in custom training loops. */
  readonly draws: TrainingDraws;
  private isUnassigned = true;
  /** Copies of the weights that are not disposed yet. */
  readonly copies = new Set<{ dispose(): void }>();
  private readonly nonTrainable: DeviceArray;

  /**
   * Weight i draws from stream i of the replica's seed, so adding a layer at the end does not change the values of the others.
   */
  constructor(
    readonly device: Device,
    specs: readonly WeightSpec[],
    readonly seeds: Seeds,
    readonly replicas = 1,
  ) {
    super();
    this.draws = new TrainingDraws(device);
    for (const spec of specs) checkInitialCount(spec, replicas);
    const padded = ({ shape }: WeightSpec) => Math.ceil((replicas * sizeOf(shape)) / BLOCK) * BLOCK;
    const total = (trainable: boolean) =>
      specs.filter((spec) => (spec.trainable ?? true) === trainable).reduce((sum, spec) => sum + padded(spec), 0) ||
      BLOCK;
    for (const size of [total(true), total(false)]) checkFits(device, size);
    const [hostValues, hostNonTrainable] = [new Float32Array(total(true)), new Float32Array(total(false))];
    const names = listNames(
      specs.map(({ name }) => name),
      2,
    );
    this.values = DeviceArray.empty(device, [hostValues.length]).keep(`weights ${names}`);
    this.gradients = DeviceArray.empty(device, [hostValues.length]).keep(`gradients of ${names}`);
    this.nonTrainable = DeviceArray.empty(device, [hostNonTrainable.length]).keep(
      `weights without gradients of ${names}`,
    );
    let [trainableOffset, nonTrainableOffset] = [0, 0];
    this.weights = specs.map((spec, i) => {
      const trainable = spec.trainable ?? true;
      const offset = trainable ? trainableOffset : nonTrainableOffset;
      if (trainable) trainableOffset += padded(spec);
      else nonTrainableOffset += padded(spec);
      const size = sizeOf(spec.shape);
      for (let r = 0; r < replicas; r++) {
        const initial = computeInitialValues(spec, new RandomStream(seedOf(seeds, r), 'initializer', i), r);
        (trainable ? hostValues : hostNonTrainable).set(initial, offset + r * size);
      }
      const view = (flat: DeviceArray) => {
        const storage = flat.storage.view(4 * offset, 4 * replicas * size);
        return new DeviceArray(device, spec.shape, 'f32', replicas, storage).keep();
      };
      const array = view(trainable ? this.values : this.nonTrainable);
      const leaf = new Tensor(array, trainable);
      if (trainable) leaf.gradBuffer = this.gradientView({ offset, spec }).keep();
      return new Weight(spec.name, spec, leaf, new Tensor(array), trainable ? offset : null);
    });
    device.upload(this.values.storage, hostValues);
    device.upload(this.nonTrainable.storage, hostNonTrainable);
    fill(device, this.gradients.shape, 0, { into: this.gradients });
    for (const { name, spec, tensor } of this.weights)
      if (spec.copyOf) copyReplicas(name, spec.copyOf.tensor.array, tensor.array);
    this.penalties = Penalties.create(this);
  }

  /** Whether the weights have the values that the seed determines: not trained, loaded or assigned since. */
  get hasInitialValues(): boolean {
    return this.isUnassigned && this.weights.every(({ tensor }) => tensor.array.version === 0);
  }

  set hasInitialValues(hasInitialValues: boolean) {
    this.isUnassigned = hasInitialValues;
  }

  /** Copies the weights of another store of the same model; if that has one replica, to every replica. */
  copyFrom(other: ParameterStore): void {
    for (const [i, { name, tensor }] of this.weights.entries()) {
      copyReplicas(name, other.weights[i]!.tensor.array, tensor.array);
    }
    this.hasInitialValues = other.hasInitialValues;
  }

  get updates(): UpdateRange[] {
    return this.trainableRanges.map((range) => ({ range, weight: sliceFlat(this.values, range) }));
  }

  override zeroGrad(): void {
    for (const weight of this.weights) weight.zeroGrad();
  }

  /** The buffers of all weights, trainable or not. */
  get buffers(): readonly DeviceArray[] {
    return [this.values, this.nonTrainable];
  }

  /** Values of each weight, replica by replica. Waits for the GPU. */
  async read(): Promise<Float32Array<ArrayBuffer>[]> {
    const { device } = this;
    const locations = this.weights.map(({ offset, tensor: { array } }) => {
      const flat = offset === null ? this.nonTrainable : this.values;
      return { flat, begin: array.storage.offset - flat.storage.offset, bytes: array.storage.bytes };
    });
    const flats = [...new Set(locations.map(({ flat }) => flat))];
    const all = await Promise.all(flats.map(({ storage }) => device.read(storage)));
    return locations.map(({ flat, begin, bytes }) => {
      return new Float32Array(all[flats.indexOf(flat)]!.slice(begin, begin + bytes));
    });
  }

  /** Indices of the replicas with a NaN or infinite weight. Waits for the GPU. */
  async nonFiniteReplicas(): Promise<Set<number>> {
    const found = new Set<number>();
    for (const values of await this.read()) {
      const size = values.length / this.replicas;
      for (let r = 0; r < this.replicas; r++) {
        if (!values.subarray(r * size, (r + 1) * size).every(Number.isFinite)) found.add(r);
      }
    }
    return found;
  }

  dispose(): void {
    for (const trainer of this.optimizers) trainer.dispose();
    this.draws.dispose();
    for (const copy of this.copies) copy.dispose();
    for (const weight of this.weights) weight.dispose();
    this.values.dispose();
    this.gradients.dispose();
    this.nonTrainable.dispose();
    this.disposeLayout();
    this.penalties?.dispose();
  }
}
