import { type Numbers, readNumbers } from '../../autograd/host-data.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { checkOptions, checkPositiveShape, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { checkDevice, type Device } from '../../gpu/device.ts';
import { DeviceArray, type Shape, sizeOf } from '../../kernels/array.ts';
import { gatherLabels, gatherSamples, type StoredSamples } from '../../kernels/gather/gather.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import type { BatchSource } from './batch-source.ts';
import { readLabels, readSamples, readTargets } from './host-batch.ts';
import { disposeRows, uploadRows } from './stored-rows.ts';
import { findExtremes, type PlacedTarget } from './targets.ts';

export type { Numbers } from '../../autograd/host-data.ts';

/** Options of `ArrayLoader`. */
export interface ArrayLoaderOptions {
  /** Samples: nested lists or an array of shape [size, ...shape], or all numbers in one flat array. */
  x: Numbers;
  /** Labels if `classes` is given, else numbers. Default none: then the loader is only for `predict`. */
  y?: Numbers | null;
  /** Shape of one sample, such as [4] or [28, 28, 1]. */
  shape: Shape;
  /** Number of classes, if `y` holds labels. */
  classes?: number | null;
  /** Shape of one sample's target, if `y` holds numbers. Default: the shape of `y` without its first axis, or [numbers for each sample]. */
  targetShape?: Shape;
}

/** The class of each one-hot row of shape [classes]; null if the numbers are not one-hot rows. */
function readOneHotRows(numbers: Float32Array, shape: Shape): Uint32Array | null {
  const [classes = 1] = shape;
  if (shape.length !== 1 || classes === 1) return null;
  const found = new Uint32Array(numbers.length / classes);
  for (let i = 0; i < found.length; i++) {
    const row = numbers.subarray(i * classes, (i + 1) * classes);
    const one = row.indexOf(1);
    if (one < 0 || !row.every((value, c) => value === Number(c === one))) return null;
    found[i] = one;
  }
  return found;
}

/** Samples given as numbers, stored on the GPU as f32. */
export class ArrayLoader implements BatchSource {
  readonly size: number;
  readonly sampleShape: Shape;
  readonly classes: number | null;
  readonly targetShape: Shape | null;
  readonly labels: Uint32Array | null;
  readonly targetExtremes: readonly PlacedTarget[] | null;
  readonly oneHotClasses: Uint32Array | null;
  private readonly samples: StoredSamples;
  private readonly targets: StoredSamples | null;

  /**
   * @throws DataError for values that are not finite and labels that are not classes; ShapeError for wrong shapes; ArgumentError;
   *   OutOfMemoryError
   */
  constructor(
    readonly device: Device,
    options: ArrayLoaderOptions,
    ...surplus: never[]
  ) {
    checkDevice('ArrayLoader', device, 'new ArrayLoader(device, { x, shape })');
    const names = { x: true, y: true, shape: true, classes: true, targetShape: true };
    checkOptions('ArrayLoader', options, names, surplus);
    const { x, y = null, shape, classes = null, targetShape } = options;
    checkPositiveShape('ArrayLoader: shape', shape);
    if (classes !== null && !(Number.isInteger(classes) && classes > 0)) {
      throw new ArgumentError(`ArrayLoader: classes must be a positive integer, but is ${formatValue(classes)}`);
    }
    const samples = readSamples('x', shape, x, 'the loader');
    const { size } = samples;
    this.size = size;
    this.sampleShape = shape;
    this.classes = y === null ? null : classes;
    const targets = y === null ? null : readNumbers('y', y);
    this.labels = targets && classes !== null ? readLabels('y', targets, size, classes) : null;
    const numbers = targets && classes === null ? readTargets('y', targets, size, targetShape) : null;
    this.targetShape = numbers?.shape ?? null;
    this.targetExtremes = numbers && findExtremes(numbers.values);
    this.oneHotClasses = numbers && readOneHotRows(numbers.values, numbers.shape);
    const bytes = (array: Float32Array | Uint32Array) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    this.samples = uploadRows(device, bytes(samples.values), size, 4 * sizeOf(shape));
    const values = this.labels ?? numbers?.values ?? null;
    try {
      this.targets = values && uploadRows(device, bytes(values), size, (4 * values.length) / size);
    } catch (error) {
      disposeRows(this.samples);
      throw error;
    }
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor | null } {
    const { replicas } = order;
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { replicas });
    gatherSamples(this.samples, order, state, x);
    if (!this.targets) return { x: new Tensor(x), targets: null };
    const shape = [batch, ...(this.targetShape ?? [])];
    const targets = DeviceArray.empty(this.device, shape, { replicas, dtype: this.labels ? 'u32' : 'f32' });
    const [chunk, ...moreChunks] = this.targets.chunks;
    if (this.labels && moreChunks.length === 0) gatherLabels(chunk!.words, order, state, targets);
    else gatherSamples(this.targets, order, state, targets);
    return { x: new Tensor(x), targets: new Tensor(targets) };
  }

  /** Releases the samples and targets on the GPU. */
  dispose(): void {
    disposeRows(this.samples);
    if (this.targets) disposeRows(this.targets);
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
