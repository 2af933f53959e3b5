import { type HostArray, showShape } from '../kernels/array.ts';
import type { TapeTensor } from './node.ts';

/** Number of values to show if the host knows only the first ones. */
const FIRST_VALUES = 6;
/** As in NumPy: with more values, only the first and last three of each axis are shown. */
const MAX_VALUES = 1000;
const EDGE_VALUES = 3;
const LINE_LENGTH = 75;

/** Text of a tensor for `console.log`, without waiting for the adapter. */
export function summarizeTensor(tensor: TapeTensor): string {
  const { array } = tensor;
  const head = headOf(tensor);
  if (array.disposed) return `${head}, disposed`;
  const size = array.size * array.replicas;
  const known = size > 0 ? array.knownValues : new Float32Array();
  if (known && known.length >= size) return formatTensor(tensor, known);
  if (known) {
    return `${head} [${Array.from(known.subarray(0, FIRST_VALUES), (value) => formatNumber(value, tensor)).join(', ')}, ...]`;
  }
  return `${head} (its values are on the adapter; \`await tensor.text()\` shows them)`;
}

/** Text of a tensor with all values, or only those at the edges if there are more than 1,000. */
export function formatTensor(tensor: TapeTensor, values: HostArray): string {
  // A matrix begins on a new line, so that its columns are aligned.
  const separator = fullShape(tensor).length > 1 ? '\n' : ' ';
  return `${headOf(tensor)}${separator}${formatRows(tensor, values)}`;
}

/** Shape with the replicas as first axis if there are several. */
const fullShape = ({ shape, replicas }: TapeTensor): readonly number[] => (replicas > 1 ? [replicas, ...shape] : shape);

function headOf({ dtype, shape, replicas, requiresGrad, node }: TapeTensor): string {
  const copies = replicas > 1 ? ` x ${replicas} replicas` : '';
  return `Tensor ${dtype} ${showShape(shape)}${copies}${requiresGrad && !node ? ', requires a gradient' : ''}`;
}

/** Nested rows in brackets, numbers right-aligned to the same width. */
function formatRows(tensor: TapeTensor, values: HostArray): string {
  const shape = fullShape(tensor);
  const isCut = values.length > MAX_VALUES;
  /** Indices to show along an axis; null in place of those left out. */
  const places = (n: number): (number | null)[] =>
    isCut && n > 2 * EDGE_VALUES ? [0, 1, 2, null, n - 3, n - 2, n - 1] : Array.from({ length: n }, (_, i) => i);
  const cells = new Map<number, string>();
  const visit = (axis: number, offset: number) => {
    if (axis === shape.length) cells.set(offset, formatNumber(values[offset]!, tensor));
    else for (const i of places(shape[axis]!)) if (i !== null) visit(axis + 1, offset * shape[axis]! + i);
  };
  if (values.length > 0) visit(0, 0);
  const width = Math.max(0, ...[...cells.values()].map(({ length }) => length));
  const rows = (axis: number, offset: number): string => {
    if (axis === shape.length) return cells.get(offset)!.padStart(shape.length > 0 ? width : 0);
    const parts = places(shape[axis]!).map((i) => (i === null ? '...' : rows(axis + 1, offset * shape[axis]! + i)));
    const indent = ' '.repeat(axis + 1);
    const isLast = axis === shape.length - 1;
    return `[${isLast ? wrapLines(parts, indent) : parts.join(`,${'\n'.repeat(shape.length - 1 - axis)}${indent}`)}]`;
  };
  return values.length > 0 ? rows(0, 0) : '[]';
}

/** Joins the parts of a row into lines of at most 75 characters. */
function wrapLines(parts: readonly string[], indent: string): string {
  let text = '';
  let line = indent.length;
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    if (i > 0) text += line + part.length + 2 > LINE_LENGTH ? `\n${indent}` : ' ';
    line = i > 0 && text.endsWith(`\n${indent}`) ? indent.length : line + 1;
    text += last ? part : `${part},`;
    line += part.length + 1;
  }
  return text;
}

/** Formats a number with the fewest digits that identify the 32-bit float, as NumPy does. */
function formatNumber(value: number, { dtype }: TapeTensor): string {
  if (Object.is(value, -0)) return '-0';
  for (let digits = 1; dtype === 'f32' && digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return dtype === 'f32' ? String(Number(value.toPrecision(9))) : String(value);
}
