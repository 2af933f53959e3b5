import gatherRowsCode from '../../shaders/gather_rows.wgsl';
import gatherRowsGradCode from '../../shaders/gather_rows_grad.wgsl';
import oneHotCode from '../../shaders/one_hot.wgsl';
import { ArgumentError } from '../errors.ts';
import { type DeviceArray, type Shape, showShape, sizeOf } from './array.ts';
import { checkAxis } from './axes.ts';
import { withLongSums } from './long-sum.ts';
import { commonModels, elementwise, f32, laned, output, runKernel } from './run.ts';

function checkIndices(operator: string, what: string, array: DeviceArray): void {
  if (array.dtype === 'f32') {
    throw new ArgumentError(
      `${operator}: ${what} must be u32 or i32, but are f32 (shape ${showShape(array.shape)}); use cast(x, 'u32')`,
    );
  }
}

/**
 * The parts of x that `indices` name along an axis, which the axes of `indices` replace. An index outside of x gives NaN
 * (0 among integers). Memory-bound.
 * @throws ShapeError, ArgumentError
 */
export function gatherRows(x: DeviceArray, indices: DeviceArray, axis: number): DeviceArray {
  checkIndices('gather', 'the indices', indices);
  const d = checkAxis('gather', axis, x.shape);
  const models = commonModels('gather', [x, indices]);
  const shape = [...x.shape.slice(0, d), ...indices.shape, ...x.shape.slice(d + 1)];
  const y = output(x.device, shape, models, undefined, x.dtype);
  const fill = x.dtype === 'f32' ? f32(Number.NaN) : 0;
  const params = [y.size, x.size, x.shape[d]!, indices.size, sizeOf(x.shape.slice(d + 1)), fill];
  const source = { name: 'gather_rows', code: gatherRowsCode };
  runKernel(x.device, source, params, [x, indices, y], elementwise(y.size, models), {
    bytes: 4 * models * (2 * y.size + indices.size),
  });
  return y;
}

/** Gradient of `gatherRows` for x. Takes size of x times number of indices steps. Memory-bound. */
export function gatherRowsGrad(
  dy: DeviceArray,
  indices: DeviceArray,
  axis: number,
  shape: Shape,
  into?: DeviceArray,
): DeviceArray {
  const d = checkAxis('gather', axis, shape);
  const dx = output(dy.device, shape, dy.models, into);
  const params = [dx.size, dy.size, shape[d]!, indices.size, sizeOf(shape.slice(d + 1))];
  const source = withLongSums(laned('gather_rows_grad', gatherRowsGradCode, 1), indices.size);
  runKernel(dy.device, source, params, [dy, indices, dx], elementwise(dx.size, dy.models));
  return dx;
}

/**
 * labels [...] -> f32 [..., classes], 1 at the label and 0 elsewhere, for the classes from `first` on; NaN where the label is none
 * of the 0 .. first + classes - 1. Memory-bound.
 * @throws ArgumentError
 */
export function oneHot(labels: DeviceArray, classes: number, first = 0): DeviceArray {
  checkIndices('oneHot', 'labels', labels);
  const y = output(labels.device, [...labels.shape, classes], labels.models);
  const size = y.models * y.size;
  const params = [size, classes, first];
  runKernel(y.device, { name: 'one_hot', code: oneHotCode }, params, [labels, y], elementwise(size));
  return y;
}
