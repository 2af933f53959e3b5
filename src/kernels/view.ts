import copyViewCode from '../../shaders/copy_view.wgsl';
import { ShapeError } from '../base/errors.ts';
import { type DeviceArray, type Shape, showShape } from './array.ts';
import { f32Bits, gridStrideWorkgroups, output, runKernel } from './run.ts';

/** One axis of the result of a copy. */
interface ViewAxis {
  /** Size in the result. */
  size: number;
  /** Elements of the source from one index to the next; 0 repeats one element. */
  stride: number;
  /** Index in the result at which the source begins; negative if the result begins inside the source. */
  offset: number;
  /** Size in the source. */
  length: number;
}

/** Most axes that the kernel's uniform holds. */
const MAX_AXES = 8;

function stridesOf(shape: Shape): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d]!;
  }
  return strides;
}

/** Equivalent axes, as few as possible: each costs a division per element. */
function mergeAxes(axes: readonly ViewAxis[]): ViewAxis[] {
  const whole = (axis: ViewAxis) => axis.offset === 0 && axis.length === axis.size;
  const result: ViewAxis[] = [];
  for (const axis of axes) {
    if (axis.size === 1 && whole(axis)) continue;
    const last = result.at(-1);
    if (last && whole(axis) && last.stride === axis.stride * axis.size) {
      const [size, offset, length] = [last.size, last.offset, last.length].map((n) => n * axis.size);
      result[result.length - 1] = { size: size!, stride: axis.stride, offset: offset!, length: length! };
    } else {
      result.push(axis);
    }
  }
  return result;
}

function copyView(
  operator: string,
  x: DeviceArray,
  axes: readonly ViewAxis[],
  { fill = 0, into }: { fill?: number; into?: DeviceArray } = {},
): DeviceArray {
  const shape = axes.map((axis) => axis.size);
  const few = mergeAxes(axes);
  if (few.length > MAX_AXES) {
    throw new ShapeError(`${operator}: at most ${MAX_AXES} axes can be permuted at once (input ${showShape(x.shape)})`);
  }
  const y = output(x.device, shape, x.replicas, into, x.dtype);
  const bits = x.dtype === 'f32' ? f32Bits(fill) : fill;
  const words = few.flatMap(({ size, stride, offset, length }) => [size, stride, offset, length]);
  const unused = new Array(4 * (MAX_AXES - few.length)).fill(0);
  runKernel(
    x.device,
    { name: 'copy_view', code: copyViewCode },
    [y.size, x.size, few.length, bits, ...words, ...unused],
    [x, y],
    gridStrideWorkgroups(y.size, x.replicas),
    { bytes: 4 * x.replicas * (Math.min(x.size, y.size) + y.size) },
  );
  return y;
}

/** Permutes the axes: axis d of the result is axis `order[d]` of x. Memory-bound. */
export function transpose(operator: string, x: DeviceArray, order: readonly number[], into?: DeviceArray): DeviceArray {
  const strides = stridesOf(x.shape);
  const axes = order.map((d) => ({ size: x.shape[d]!, stride: strides[d]!, offset: 0, length: x.shape[d]! }));
  return copyView(operator, x, axes, { into });
}

/**
 * Copies x into an array of `shape`, element 0 to index `offsets`; elements outside of x are `fill`, default 0. Positive offsets pad,
 * negative ones slice; each is the gradient of the other. Memory-bound.
 */
export function padOrSlice(
  operator: string,
  x: DeviceArray,
  offsets: readonly number[],
  shape: Shape,
  options: { fill?: number; into?: DeviceArray } = {},
): DeviceArray {
  const strides = stridesOf(x.shape);
  const axes = shape.map((size, d) => ({ size, stride: strides[d]!, offset: offsets[d]!, length: x.shape[d]! }));
  return copyView(operator, x, axes, options);
}

/** x repeated to `shape` along axes of size 1 and along missing leading axes. The caller checks the shapes. Memory-bound. */
export function broadcastTo(operator: string, x: DeviceArray, shape: Shape): DeviceArray {
  const missing = shape.length - x.shape.length;
  const strides = stridesOf(x.shape);
  const axes = shape.map((size, d) => {
    const sourceSize = d < missing ? 1 : x.shape[d - missing]!;
    return { size, stride: sourceSize === 1 ? 0 : strides[d - missing]!, offset: 0, length: size };
  });
  return copyView(operator, x, axes);
}

/** The order that reverses a `transpose`. */
export const invertOrder = (order: readonly number[]): number[] => order.map((_, d) => order.indexOf(d));
