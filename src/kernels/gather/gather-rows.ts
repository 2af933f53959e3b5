import gatherRowsCode from '../../../shaders/gather/gather_rows.wgsl';
import gradCode from '../../../shaders/gather/gather_rows_grad.wgsl';
import fewCode from '../../../shaders/gather/gather_rows_grad_few.wgsl';
import joinCode from '../../../shaders/gather/gather_rows_grad_join.wgsl';
import oneHotCode from '../../../shaders/gather/one_hot.wgsl';
import { ArgumentError } from '../../base/errors.ts';
import { DeviceArray, type Shape, showShape, sizeOf } from '../array.ts';
import { checkAxis } from '../axes.ts';
import { fill } from '../pointwise/pointwise.ts';
import { withLongSums } from '../reduce/long-sums.ts';
import {
  commonReplicas,
  elementwiseWorkgroups,
  f32Bits,
  output,
  runKernel,
  vectorized,
  vectorWidthFor,
} from '../run.ts';
import { sortPositions } from './sort.ts';

function checkIndices(operator: string, argument: string, array: DeviceArray): void {
  if (array.dtype === 'f32') {
    throw new ArgumentError(
      `${operator}: ${argument} must be u32 or i32, but are f32 (shape ${showShape(array.shape)}); use cast(x, 'u32')`,
    );
  }
}

/**
 * Takes the slices of x at `indices` along an axis; the axes of `indices` replace that axis. An index out of range gives NaN, or 0 for
 * integer types. Memory-bound.
 * @throws ShapeError, ArgumentError
 */
export function gatherRows(x: DeviceArray, indices: DeviceArray, axis: number): DeviceArray {
  checkIndices('gather', 'the indices', indices);
  const d = checkAxis('gather', axis, x.shape);
  const replicas = commonReplicas('gather', [x, indices]);
  const shape = [...x.shape.slice(0, d), ...indices.shape, ...x.shape.slice(d + 1)];
  const y = output(x.device, shape, replicas, undefined, x.dtype);
  const fill = x.dtype === 'f32' ? f32Bits(Number.NaN) : 0;
  const params = [y.size, x.size, x.shape[d]!, indices.size, sizeOf(x.shape.slice(d + 1)), fill];
  const source = { name: 'gather_rows', code: gatherRowsCode };
  runKernel(x.device, source, params, [x, indices, y], elementwiseWorkgroups(y.size, replicas), {
    bytes: 4 * replicas * (2 * y.size + indices.size),
  });
  return y;
}

/** Fewest sorted indices that an invocation of the gradient processes. */
const MIN_CHUNK = 64;

/**
 * Most indices, and most comparisons, for which the gradient searches all indices for each element. Sorting takes seven dispatches for any
 * number of indices, about 0.6 ms on lavapipe.
 */
const SEARCH_LIMITS = { indices: 256, comparisons: 2 ** 18 };

/**
 * Gradient of `gatherRows` for x: dx of `shape`, where each row is the sum of the rows of dy that were taken from it. Memory-bound.
 *
 * The indices are sorted, and runs of equal ones are added up in chunks of the square root of their number, in ascending order of
 * position. The work is linear in the sizes of dx and dy. Few indices (see `SEARCH_LIMITS`) are searched for each element instead, and
 * added in ascending order of position without chunks; up to 64 indices, that is the same order. Indices out of range are ignored. The
 * order of additions depends on the shapes and indices of a replica alone.
 */
export function gatherRowsGrad(
  dy: DeviceArray,
  indices: DeviceArray,
  axis: number,
  shape: Shape,
  into?: DeviceArray,
): DeviceArray {
  const d = checkAxis('gather', axis, shape);
  const { device, replicas } = dy;
  const [rows, count] = [shape[d]!, indices.size];
  const vectorWidth = vectorWidthFor(sizeOf(shape.slice(d + 1)));
  const channels = sizeOf(shape.slice(d + 1)) / vectorWidth;
  const elements = sizeOf(shape) / vectorWidth;
  if (count > 0 && count <= SEARCH_LIMITS.indices && elements * count <= SEARCH_LIMITS.comparisons) {
    const dx = output(device, shape, replicas, into);
    const source = withLongSums(vectorized('gather_rows_grad_few', fewCode, vectorWidth), count);
    const params = [elements, dy.size / vectorWidth, rows, count, channels];
    runKernel(device, source, params, [dy, indices, dx], elementwiseWorkgroups(elements, replicas));
    return dx;
  }
  const dx = fill(device, shape, 0, { replicas, into });
  if (dx.size * dy.size === 0) return dx;
  const outer = sizeOf(shape.slice(0, d));
  const chunk = Math.max(MIN_CHUNK, Math.ceil(Math.sqrt(count)));
  const chunks = Math.ceil(count / chunk);
  const order = sortPositions(indices, rows);
  const carried = DeviceArray.empty(device, [outer, chunks, channels * vectorWidth], { replicas });
  const size = outer * chunks * channels;
  const run = (name: string, code: string, terms: number, params: number[], bindings: DeviceArray[]) =>
    runKernel(
      device,
      withLongSums(vectorized(name, code, vectorWidth), terms),
      [size, elements, ...params, channels, chunk, chunks],
      bindings,
      elementwiseWorkgroups(size, replicas),
    );
  run('gather_rows_grad', gradCode, chunk, [dy.size / vectorWidth, rows, count], [dy, indices, order, dx, carried]);
  if (chunks > 1) run('gather_rows_grad_join', joinCode, chunks, [rows, count], [indices, order, carried, dx]);
  order.dispose();
  carried.dispose();
  return dx;
}

/**
 * labels [...] -> f32 [..., classes]: 1 at the label and 0 elsewhere, for the classes from `first` on; NaN for labels outside of
 * 0 .. first + classes - 1. Memory-bound.
 * @throws ArgumentError
 */
export function oneHot(labels: DeviceArray, classes: number, first = 0): DeviceArray {
  checkIndices('oneHot', 'labels', labels);
  const y = output(labels.device, [...labels.shape, classes], labels.replicas);
  const size = y.replicas * y.size;
  const params = [size, classes, first];
  runKernel(y.device, { name: 'one_hot', code: oneHotCode }, params, [labels, y], elementwiseWorkgroups(size));
  return y;
}
