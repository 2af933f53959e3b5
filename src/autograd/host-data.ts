import { formatValue } from '../base/check.ts';
import { ArgumentError, DataError, ShapeError, TilegradError } from '../base/errors.ts';
import { DeviceArray, type Shape, sameShape, showShape, sizeOf } from '../kernels/array.ts';

/** Numbers in row-major order with their shape: the result of `loadNpy`, or `{ data: new Float32Array(6), shape: [2, 3] }`. */
export interface ShapedNumbers {
  /** Sizes along the axes; `[]` for a single number. */
  readonly shape: Shape;
  /** The elements in row-major order: the product of `shape` of them. */
  readonly data: ArrayLike<number> | BigInt64Array | BigUint64Array;
}

/**
 * Numbers on the host: a flat typed array or list, without a shape; nested lists, such as
 * [[0, 1], [1, 0]]; or an object with data and shape.
 */
export type Numbers = ArrayLike<number> | readonly Numbers[] | ShapedNumbers;

/** Flattened numbers, not checked yet. */
export interface HostNumbers {
  readonly flat: ArrayLike<unknown>;
  /** Shape; null for flat data. */
  readonly shape: Shape | null;
}

/**
 * Flattens host data and finds its shape.
 * @param subject begins the message, such as `fit: x`
 * @throws ShapeError for lists of different lengths, or data of another size than its shape; ArgumentError for anything but numbers
 */
export function readNumbers(subject: string, given: Numbers): HostNumbers {
  try {
    return readShaped(subject, given) ?? readLists(subject, given);
  } catch (cause) {
    if (cause instanceof TilegradError) throw cause;
    throw new ArgumentError(
      `${subject} cannot be read: ${cause instanceof Error ? cause.message : formatValue(cause)}`,
      {
        cause,
      },
    );
  }
}

function readLists(subject: string, given: Numbers): HostNumbers {
  if (!isList(given)) throw new ArgumentError(`${subject} must be an array of numbers, but is ${formatValue(given)}`);
  if (!isNested(given)) return { flat: readAll(given), shape: null };
  const flat: unknown[] = [];
  return { shape: flatten(subject, given, flat, []), flat };
}

/** Copies a list that may have holes or getters, so that errors are thrown here; typed arrays have neither. */
const readAll = (list: ArrayLike<unknown>): ArrayLike<unknown> => {
  if (!ArrayBuffer.isView(list)) return Array.from(list);
  return list.length === 0 ? [] : list; // an array whose memory was transferred has length 0 too
};

const isList = (given: unknown): given is ArrayLike<unknown> =>
  typeof given === 'object' && given !== null && typeof (given as ArrayLike<unknown>).length === 'number';

const isNested = (given: ArrayLike<unknown>): given is readonly unknown[] =>
  Array.isArray(given) && typeof given[0] === 'object' && given[0] !== null;

/** Appends the numbers of nested lists to `flat`. @param path index of `list` in the data @returns the shape of `list` */
function flatten(subject: string, list: readonly unknown[], flat: unknown[], path: readonly number[]): Shape {
  let first: Shape | null = null;
  for (const [i, entry] of list.entries()) {
    const place = [...path, i];
    const shaped = readShaped(`${subject}: entry ${formatIndex(place)}`, entry);
    if (!shaped && !isList(entry)) {
      throw new ShapeError(
        `${subject}: entry ${formatIndex(place)} is ${formatValue(entry)}, but entry ${formatIndex(place.with(-1, 0))} is a list`,
      );
    }
    const part = shaped?.flat ?? (entry as ArrayLike<unknown>);
    const nested = !shaped && isNested(part);
    const shape = shaped?.shape ?? (nested ? flatten(subject, part, flat, place) : [part.length]);
    if (!nested) for (let k = 0; k < part.length; k++) flat.push(part[k]);
    first ??= shape;
    if (!sameShape(shape, first)) {
      throw new ShapeError(
        `${subject}: entry ${formatIndex(place)} has shape ${showShape(shape)}, but entry ${formatIndex(place.with(-1, 0))} has ` +
          `${showShape(first)}; all must have one shape`,
      );
    }
  }
  return [list.length, ...first!];
}

const formatIndex = (place: readonly number[]) => (place.length === 1 ? String(place[0]) : showShape(place));

/** Reads data with a shape, such as arrays of other libraries and pictures; null for other data. */
function readShaped(subject: string, given: unknown): { flat: ArrayLike<unknown>; shape: Shape } | null {
  if (typeof given !== 'object' || given === null) return null;
  const array = 'array' in given ? given.array : given;
  if (array instanceof DeviceArray) {
    throw new ArgumentError(
      `${subject} is on the device, with shape ${showShape(array.shape)}, but numbers on the host are required: ` +
        'for a tensor t give { data: await t.data(), shape: t.shape }',
    );
  }
  const { shape, data = given } = withShape(given);
  if (shape === undefined) return null;
  if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new ArgumentError(`${subject}: a shape is a list of integers from 0 up, but is ${formatValue(shape)}`);
  }
  if (!isList(data)) {
    throw new ArgumentError(
      `${subject}: an object with a shape needs data, an array of numbers, but data is ${formatValue(data)}`,
    );
  }
  checkRowMajor(subject, given, shape);
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${subject}: shape ${showShape(shape)} needs ${sizeOf(shape)} numbers, but data has ${data.length}`,
    );
  }
  return { flat: readAll(data), shape };
}

function withShape(given: object): { shape?: unknown; data?: unknown } {
  if ('shape' in given) return given;
  const { data, width, height } = given as { data?: unknown; width?: number; height?: number }; // of a canvas, or a decoder of PNG files
  if (!isList(data) || !(width! > 0) || !(height! > 0)) return {};
  return { shape: [height, width, data.length / (width! * height!)], data };
}

/** @throws ShapeError for a view that is not in row-major order, such as a transposed or sliced array of another library */
function checkRowMajor(subject: string, given: object, shape: Shape): void {
  const { stride, strides = stride, offset = 0 } = given as { stride?: unknown; strides?: unknown; offset?: unknown };
  if (!isList(strides) && offset === 0) return;
  const rowMajor = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  if (offset === 0 && isList(strides) && shape.every((n, axis) => n === 1 || strides[axis] === rowMajor[axis])) return;
  throw new ShapeError(
    `${subject}: the array of shape ${showShape(shape)} is a view with strides ${formatValue(strides)} and offset ${formatValue(offset)}; ` +
      'copy it into row-major order first',
  );
}

/** Number `i` of a list; null if it is not a number. 64-bit integers are converted, as labels from NumPy have that type. */
export function toNumber(flat: ArrayLike<unknown>, i: number): number | null {
  const value = flat[i];
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' && ArrayBuffer.isView(flat) ? Number(value) : null;
}

/** Ends a message about a value that is not a number: how to convert it. */
export function conversionHint(value: unknown): string {
  if (typeof value === 'string') {
    return (
      'which is text: map labels to class numbers first, as in labels.map((label) => names.indexOf(label)), ' +
      'and numbers that were read as text with Number'
    );
  }
  if (typeof value === 'boolean') return 'which is not a number: map true and false to 1 and 0 with Number';
  return 'which is not a number';
}

const LARGEST_F32 = 3.4028234663852886e38;

/**
 * Converts numbers to f32.
 * @param rowShape shape of one sample, to describe positions in messages
 * @throws DataError for the first value that is not a finite number, with its position
 */
export function toFloats(subject: string, { flat }: HostNumbers, rowShape: Shape): Float32Array<ArrayBuffer> {
  const values = flat instanceof Float32Array ? (flat as Float32Array<ArrayBuffer>) : convert(subject, flat, rowShape);
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) refuse(subject, flat, i, rowShape);
  return values;
}

function convert(subject: string, flat: ArrayLike<unknown>, rowShape: Shape): Float32Array<ArrayBuffer> {
  if (ArrayBuffer.isView(flat) && typeof flat[0] !== 'bigint') return new Float32Array(flat as ArrayLike<number>);
  const values = new Float32Array(flat.length);
  for (let i = 0; i < flat.length; i++) values[i] = toNumber(flat, i) ?? refuse(subject, flat, i, rowShape);
  return values;
}

function refuse(subject: string, flat: ArrayLike<unknown>, i: number, rowShape: Shape): never {
  const value = flat[i];
  const why =
    typeof value !== 'number'
      ? conversionHint(value)
      : Number.isFinite(value)
        ? `beyond what f32 holds, which is ${LARGEST_F32.toPrecision(3)}; scale the data first`
        : 'but a model can only learn from finite numbers, so clean the data first';
  throw new DataError(`${subject}: number ${i} is ${formatValue(value)} (${describePosition(i, rowShape)}), ${why}`);
}

/** Position of number `i`, counted from 0: `row 6, column 1`, or `sample 6 at [3,4,0]` in an image. */
export function describePosition(i: number, rowShape: Shape): string {
  const size = sizeOf(rowShape);
  const row = Math.floor(i / size);
  if (size === 1) return `sample ${row}`;
  if (rowShape.length === 1) return `row ${row}, column ${i % size}`;
  const place = rowShape.map((n, axis) => Math.floor(i / sizeOf(rowShape.slice(axis + 1))) % n);
  return `sample ${row} at ${showShape(place)}`;
}
