import { Tensor } from '../autograd/tensor.ts';
import { checkOptions, show } from '../check.ts';
import { ArgumentError, DataError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, type Shape, showShape, sizeOf } from '../kernels/array.ts';
import { gatherLabels, gatherSamples, type StoredSamples } from '../kernels/gather.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from './batch-source.ts';
import { storeRows } from './stored-rows.ts';

/** Numbers in a row, or lists of them: [[0, 1], [1, 0]] is the same as [0, 1, 1, 0]. */
export type Numbers = ArrayLike<number> | readonly Numbers[];

export interface ArrayLoaderOptions {
  /** Samples one after another. */
  x: Numbers;
  /** Labels where `classes` is given, otherwise numbers to be approached. Left out where there is nothing to compare with. */
  y?: Numbers | null;
  /** Shape of one sample, such as [4] or [28, 28, 1]. */
  shape: Shape;
  /** Number of classes, if `y` holds labels. */
  classes?: number | null;
  /** Shape of one sample's target, if `y` holds numbers. Default: [as many as there are for each sample]. */
  targetShape?: Shape;
}

/** Numbers as a flat array of floats. @throws DataError for one that is no finite number, saying where; ShapeError for uneven lists */
export function floats(what: string, numbers: Numbers): Float32Array<ArrayBuffer> {
  if (typeof numbers !== 'object' || numbers === null || typeof numbers.length !== 'number') {
    throw new ArgumentError(`${what} must be an array of numbers, but is ${show(numbers)}`);
  }
  const flat = isNested(numbers) ? flatten(what, numbers) : (numbers as ArrayLike<number>);
  const values =
    flat instanceof Float32Array
      ? (flat as Float32Array<ArrayBuffer>)
      : Float32Array.from(flat, (value: unknown) => (typeof value === 'bigint' ? Number.NaN : (value as number)));
  const plain = Array.isArray(flat); // null and '' would pass as 0
  const bad = values.findIndex((value, i) => !Number.isFinite(value) || (plain && typeof flat[i] !== 'number'));
  if (bad >= 0) {
    throw new DataError(
      `${what}: number ${bad} is ${show(flat[bad])}; a model can only learn from finite numbers, so clean the data first`,
    );
  }
  return values;
}

const isNested = (numbers: Numbers): numbers is readonly Numbers[] =>
  Array.isArray(numbers) && typeof numbers[0] === 'object' && numbers[0] !== null;

function flatten(what: string, lists: readonly Numbers[]): number[] {
  const flat: number[] = [];
  let first = 0;
  for (const [i, list] of lists.entries()) {
    const part = isNested(list) ? flatten(what, list) : (list as ArrayLike<number>);
    if (typeof part?.length !== 'number') {
      throw new ShapeError(`${what}: entry ${i} is ${show(list)}, but the first is a list`);
    }
    if (i === 0) first = part.length;
    if (part.length !== first || list.length !== lists[0]!.length) {
      throw new ShapeError(`${what}: list ${i} has ${part.length} numbers, but the first has ${first}`);
    }
    for (let k = 0; k < part.length; k++) flat.push(part[k]!);
  }
  return flat;
}

/** Labels as integers. @throws DataError for one that is no class */
export function integers(what: string, numbers: Numbers, classes: number): Uint32Array<ArrayBuffer> {
  const values = floats(what, numbers);
  const bad = values.findIndex((value) => !Number.isInteger(value) || value < 0 || value >= classes);
  if (bad >= 0) {
    throw new DataError(
      `${what}: label ${values[bad]} of sample ${bad} is none of the ${classes} classes 0 to ${classes - 1}`,
    );
  }
  return Uint32Array.from(values);
}

/** The class of each one-hot row of a shape [classes]; null for numbers of another shape, or that are no such rows. */
function classesOfRows(numbers: Float32Array, shape: Shape): Uint32Array | null {
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

/** Samples given as numbers, held on the GPU as floats. */
export class ArrayLoader implements BatchSource {
  readonly size: number;
  readonly sampleShape: Shape;
  readonly classes: number | null;
  readonly targetShape: Shape | null;
  readonly labels: Uint32Array | null;
  readonly oneHotClasses: Uint32Array | null;
  private readonly samples: StoredSamples;
  private readonly targets: StoredSamples | null;

  /** @throws DataError for NaN, labels out of range; ShapeError for lengths that do not fit; ArgumentError; OutOfMemoryError */
  constructor(
    readonly device: Device,
    options: ArrayLoaderOptions,
    ...surplus: never[]
  ) {
    const names = { x: true, y: true, shape: true, classes: true, targetShape: true };
    checkOptions('ArrayLoader', options, names, surplus);
    const { x, y = null, shape, classes = null, targetShape } = options;
    const values = floats('x', x);
    const each = sizeOf(shape);
    this.size = values.length / each;
    if (!Number.isInteger(this.size) || this.size === 0) {
      throw new ShapeError(
        `x: samples of ${showShape(shape)} are ${each} numbers each, which ${values.length} are no multiple of`,
      );
    }
    this.sampleShape = shape;
    this.classes = y === null ? null : classes;
    this.labels = y !== null && classes !== null ? integers('y', y, classes) : null;
    const numbers = y !== null && classes === null ? floats('y', y) : null;
    this.targetShape = numbers && (targetShape ?? [numbers.length / this.size]);
    const given = this.labels?.length ?? (numbers ? numbers.length / sizeOf(this.targetShape!) : this.size);
    if (given !== this.size || (this.targetShape && !this.targetShape.every(Number.isInteger))) {
      throw new ShapeError(`y: there are ${this.size} samples, but targets for ${given}; give one for each`);
    }
    this.oneHotClasses = numbers && classesOfRows(numbers, this.targetShape!);
    const bytes = (array: Float32Array | Uint32Array) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    this.samples = storeRows(device, bytes(values), this.size, 4 * each);
    const held = this.labels ?? numbers;
    this.targets = held && storeRows(device, bytes(held), this.size, (4 * held.length) / this.size);
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor | null } {
    const { models } = order;
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { models });
    gatherSamples(this.samples, order, state, x);
    if (!this.targets) return { x: new Tensor(x), targets: null };
    const shape = [batch, ...(this.targetShape ?? [])];
    const targets = DeviceArray.empty(this.device, shape, { models, dtype: this.labels ? 'u32' : 'f32' });
    const [only, ...more] = this.targets.chunks;
    if (this.labels && more.length === 0) gatherLabels(only!.words, order, state, targets);
    else gatherSamples(this.targets, order, state, targets);
    return { x: new Tensor(x), targets: new Tensor(targets) };
  }

  dispose(): void {
    for (const { chunks } of [this.samples, this.targets].filter((stored) => stored !== null)) {
      for (const { words } of chunks) words.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
