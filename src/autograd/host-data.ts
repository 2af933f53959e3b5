import { formatValue } from '../base/check.ts';
import { ArgumentError, DataError, ShapeError, TilegradError } from '../base/errors.ts';
import { DeviceArray, type Shape, sameShape, showShape, sizeOf } from '../kernels/array.ts';

/** Numbers in row-major order with their shape: what `loadNpy` returns, or `{ data: new Float32Array(6), shape: [2, 3] }`. */
export interface ShapedNumbers {
  /** Sizes along the axes; `[]` for a single number. */
  readonly shape: Shape;
  /** The elements in row-major order, as many as the shape has. */
  readonly data: ArrayLike<number> | BigInt64Array | BigUint64Array;
}

/**
 * Numbers on the host: in a row, as a typed array or a list, which says nothing of their shape; as lists in lists, such as
 * [[0, 1], [1, 0]]; or with their shape.
 */
export type Numbers = ArrayLike<number> | readonly Numbers[] | ShapedNumbers;

/** Numbers one after another as they were given, not checked yet. */
export interface HostNumbers {
  readonly flat: ArrayLike<unknown>;
  /** Null for numbers in a row. */
  readonly shape: Shape | null;
}

/**
 * The numbers that were given, and the shape they were given in.
 * @param subject begins the message, such as `fit: x`
 * @throws ShapeError for lists of different lengths, or data of another size than its shape; ArgumentError for what is no numbers
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

/** A copy of what may have holes, getters or no end, so that errors come here; typed arrays have none of these. */
const readAll = (list: ArrayLike<unknown>): ArrayLike<unknown> => {
  if (!ArrayBuffer.isView(list)) return Array.from(list);
  return list.length === 0 ? [] : list; // one whose memory was given away has no elements either
};

const isList = (given: unknown): given is ArrayLike<unknown> =>
  typeof given === 'object' && given !== null && typeof (given as ArrayLike<unknown>).length === 'number';

const isNested = (given: ArrayLike<unknown>): given is readonly unknown[] =>
  Array.isArray(given) && typeof given[0] === 'object' && given[0] !== null;

/** Appends the numbers of lists in lists to `flat`, and returns their shape. `path` is where the list is in what was given. */
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

/** Numbers that come with a shape, as arrays of other libraries and pictures do; null for any other. */
function readShaped(subject: string, given: unknown): { flat: ArrayLike<unknown>; shape: Shape } | null {
  if (typeof given !== 'object' || given === null) return null;
  const array = 'array' in given ? given.array : given;
  if (array instanceof DeviceArray) {
    throw new ArgumentError(
      `${subject} is on the device, with shape ${showShape(array.shape)}, but numbers of the host are wanted: ` +
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
      `${subject}: with a shape goes its data, an array of numbers, but that is ${formatValue(data)}`,
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

/** @throws ShapeError for a view on data that lies in another order: a transposed or sliced array of another library */
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

/** Whether a value can stand for a number: 64-bit integers come from NumPy, whose labels are such. */
export function toNumber(flat: ArrayLike<unknown>, i: number): number | null {
  const value = flat[i];
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' && ArrayBuffer.isView(flat) ? Number(value) : null;
}

/** What a value that is no number might have been meant as. */
export function conversionHint(value: unknown): string {
  if (typeof value === 'string') {
    return (
      'which is text: map labels to class numbers first, as in labels.map((label) => names.indexOf(label)), ' +
      'and numbers that were read as text with Number'
    );
  }
  if (typeof value === 'boolean') return 'which is no number: map true and false to 1 and 0 with Number';
  return 'which is no number';
}

const LARGEST_F32 = 3.4028234663852886e38;

/**
 * Numbers as f32.
 * @param rowShape shape of what is counted along the first axis, which places are named by
 * @throws DataError for the first that is no finite number, saying where it is
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

/** Where number `i` is, counted from 0: `row 6, column 1`, and in images `sample 6 at [3,4,0]`. */
export function describePosition(i: number, rowShape: Shape): string {
  const size = sizeOf(rowShape);
  const row = Math.floor(i / size);
  if (size === 1) return `sample ${row}`;
  if (rowShape.length === 1) return `row ${row}, column ${i % size}`;
  const place = rowShape.map((n, axis) => Math.floor(i / sizeOf(rowShape.slice(axis + 1))) % n);
  return `sample ${row} at ${showShape(place)}`;
}
