import argmaxCode from '../../../shaders/reduce/argmax.wgsl';
import broadcastRowsCode from '../../../shaders/reduce/broadcast_rows.wgsl';
import deviationCode from '../../../shaders/reduce/deviation.wgsl';
import extremeGradCode from '../../../shaders/reduce/extreme_grad.wgsl';
import extremeMaskCode from '../../../shaders/reduce/extreme_mask.wgsl';
import varianceGradCode from '../../../shaders/reduce/variance_grad.wgsl';
import { DeviceArray, type Shape, sizeOf } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import { checkDType, elementwiseWorkgroups, f32Bits, output, runKernel } from '../run.ts';
import { invertOrder, transpose } from '../view.ts';
import { type Rows, reduceMiddle } from './reduce-variants.ts';

// Sums and extremes have several variants (see reduce-variants.ts). Their gradients, and the index of an extreme, have one kernel each.

/**
 * Column sums: x read as [rows, channels] -> [channels], times `scale`. The order of additions depends on the shape alone.
 * Memory-bound.
 */
export function sumRows(
  x: DeviceArray,
  channels: number,
  options: { scale?: number; into?: DeviceArray } = {},
): DeviceArray {
  const rows = channels === 0 ? 0 : x.size / channels;
  const y = output(x.device, [channels], x.replicas, options.into);
  reduceMiddle('reduceSum', x, { outer: x.replicas, rows, channels }, y, { factor: options.scale ?? 1 });
  return y;
}

/** The shape after `axes` (ascending) are reduced: without them, or with `keepDims` with size 1. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  return keepDims ? shape.map((n, d) => (axes.includes(d) ? 1 : n)) : shape.filter((_, d) => !axes.includes(d));
}

/**
 * The layout in which x is reduced over `axes`. If they are neighbors, x is reduced in stored order (`order` null); else its axes are
 * permuted to `order`, the reduced ones last.
 */
function reductionLayout(x: DeviceArray, axes: readonly number[]): { layout: Rows; order: readonly number[] | null } {
  const size = (list: readonly number[]) => sizeOf(list.map((d) => x.shape[d]!));
  const first = axes[0] ?? 0;
  const kept = x.shape.map((_, d) => d).filter((d) => !axes.includes(d));
  const rows = size(axes);
  if (axes.every((d, i) => d === first + i)) {
    const outer = x.replicas * size(kept.filter((d) => d < first));
    return { layout: { outer, rows, channels: size(kept.filter((d) => d >= first)) }, order: null };
  }
  return { layout: { outer: x.replicas * size(kept), rows, channels: 1 }, order: [...kept, ...axes] };
}

/** Runs `body` on x in the layout for `axes`: on x itself, or on a copy with permuted axes. */
function withReductionLayout<T>(
  operator: string,
  x: DeviceArray,
  axes: readonly number[],
  body: (x: DeviceArray, layout: Rows, order: readonly number[] | null) => T,
): T {
  const { layout, order } = reductionLayout(x, axes);
  if (!order) return body(x, layout, null);
  const moved = transpose(operator, x, order);
  const result = body(moved, layout, order);
  moved.dispose();
  return result;
}

/** A gradient in x's shape, which `run` computes in the layout in which x was reduced. */
function gradInLayout(
  operator: string,
  x: DeviceArray,
  into: DeviceArray | undefined,
  order: readonly number[] | null,
  run: (dx: DeviceArray) => void,
): DeviceArray {
  const shape = order ? order.map((d) => x.shape[d]!) : x.shape;
  const dx = output(x.device, shape, x.replicas, order ? undefined : into);
  run(dx);
  if (!order) return dx;
  const back = transpose(operator, dx, invertOrder(order), into);
  dx.dispose();
  return back;
}

/** Parameters and workgroups of kernels that handle each element of x with one value per column. */
function broadcastDispatch(
  x: DeviceArray,
  { rows, channels }: Rows,
  ...more: number[]
): [number[], ReturnType<typeof elementwiseWorkgroups>] {
  const size = x.replicas * x.size;
  return [[size, rows * channels, channels, ...more], elementwiseWorkgroups(size)];
}

/** Sum of all elements times `scale` -> shape []. Memory-bound. */
export function sumAll(operator: string, x: DeviceArray, scale = 1): DeviceArray {
  return sumAxes(
    operator,
    x,
    x.shape.map((_, d) => d),
    [],
    scale,
  );
}

/** Sum over `axes` (ascending) times `scale`, under `shape`. Memory-bound. @throws ArgumentError */
export function sumAxes(
  operator: string,
  x: DeviceArray,
  axes: readonly number[],
  shape: Shape,
  scale = 1,
  into?: DeviceArray,
): DeviceArray {
  checkDType(operator, 'the input', x, 'f32');
  return withReductionLayout(operator, x, axes, (from, layout) => {
    const y = output(x.device, shape, x.replicas, into);
    reduceMiddle('reduceSum', from, layout, y, { factor: scale });
    return y;
  });
}

/** Gradient of `sumAxes`: dy broadcast to x's shape, times `scale`. Memory-bound. */
export function sumAxesGrad(
  operator: string,
  x: DeviceArray,
  dy: DeviceArray,
  axes: readonly number[],
  scale: number,
  into?: DeviceArray,
): DeviceArray {
  const { layout, order } = reductionLayout(x, axes);
  return gradInLayout(operator, x, into, order, (dx) => {
    const [params, workgroups] = broadcastDispatch(x, layout, f32Bits(scale));
    runKernel(x.device, { name: 'broadcast_rows', code: broadcastRowsCode }, params, [dy, dx], workgroups);
  });
}

/** Maximum (sign 1) or minimum (sign -1) over `axes`, which hold at least one element. NaN wins. Memory-bound. @throws ArgumentError */
export function extreme(
  operator: string,
  x: DeviceArray,
  axes: readonly number[],
  shape: Shape,
  sign: 1 | -1,
): DeviceArray {
  checkDType(operator, 'the input', x, 'f32');
  return withReductionLayout(operator, x, axes, (from, layout) => {
    const y = output(x.device, shape, x.replicas);
    reduceMiddle('reduceExtreme', from, layout, y, { factor: sign });
    return y;
  });
}

/** Gradient of `extreme`, shared evenly by the elements that equal it; NaN where the extreme is NaN. Memory-bound. */
export function extremeGrad(
  operator: string,
  x: DeviceArray,
  y: DeviceArray,
  dy: DeviceArray,
  axes: readonly number[],
  into?: DeviceArray,
): DeviceArray {
  return withReductionLayout(operator, x, axes, (from, layout, order) =>
    gradInLayout(operator, x, into, order, (dx) => {
      const mask = output(x.device, from.shape, x.replicas);
      const count = output(x.device, y.shape, x.replicas);
      const [maskParams, workgroups] = broadcastDispatch(x, layout);
      runKernel(
        x.device,
        withFloatBits({ name: 'extreme_mask', code: extremeMaskCode }),
        maskParams,
        [from, y, mask],
        workgroups,
      );
      reduceMiddle('reduceSum', mask, layout, count, { factor: 1 });
      const [params] = broadcastDispatch(x, layout, f32Bits(Number.NaN));
      const source = { name: 'extreme_grad', code: extremeGradCode };
      runKernel(x.device, source, params, [mask, count, dy, dx], workgroups);
      mask.dispose();
      count.dispose();
    }),
  );
}

/** Most rows that one invocation searches. With more, slices of the square root keep both passes short. */
const MAX_ROWS_IN_ONE_PASS = 1024;

/**
 * u32 index of the maximum (sign 1) or minimum (sign -1) along one axis, or in row-major order if all axes are given. Memory-bound.
 * @throws ArgumentError
 */
export function argExtreme(
  operator: string,
  x: DeviceArray,
  axes: readonly number[],
  shape: Shape,
  sign: 1 | -1,
): DeviceArray {
  checkDType(operator, 'the input', x, 'f32');
  return withReductionLayout(operator, x, axes, (from, { outer, rows, channels }) => {
    const y = output(x.device, shape, x.replicas, undefined, 'u32');
    const source = withFloatBits({ name: 'argmax', code: argmaxCode });
    const pass = (sliceLength: number, chosen: DeviceArray | null, to: DeviceArray) => {
      const choices = chosen ? chosen.size / (outer * channels) : 0;
      const slices = Math.ceil((choices || rows) / sliceLength);
      runKernel(
        x.device,
        source,
        [outer, rows, channels, sliceLength, slices, choices, f32Bits(sign)],
        [from, chosen ?? from, to], // no candidates in the first pass, but a binding must hold something
        elementwiseWorkgroups(outer * slices * channels),
        chosen ? { bytes: 8 * chosen.size } : undefined,
      );
    };
    if (rows <= MAX_ROWS_IN_ONE_PASS) {
      pass(rows, null, y);
      return y;
    }
    const sliceLength = Math.ceil(Math.sqrt(rows));
    const chosen = DeviceArray.empty(x.device, [outer * Math.ceil(rows / sliceLength) * channels], { dtype: 'u32' });
    pass(sliceLength, null, chosen);
    pass(chosen.size, chosen, y);
    chosen.dispose();
    return y;
  });
}

/** A mean as the sum of two numbers, because far from 0 one f32 is not accurate enough. */
export interface SplitMean {
  /** The mean, rounded to f32. */
  center: DeviceArray;
  /** The mean of the deviations from `center`. */
  rest: DeviceArray;
}

/**
 * Variance over `axes`, in three passes over x: the mean, the mean of the deviations from it, and their squares. One pass would cancel, and
 * so would two if the mean is far from 0, because it is rounded (1e7 by 1). Memory-bound.
 * @returns the variance and the mean, which the gradient needs
 * @throws ArgumentError
 */
export function variance(
  x: DeviceArray,
  axes: readonly number[],
  shape: Shape,
  ddof: number,
): { y: DeviceArray; mean: SplitMean } {
  checkDType('variance', 'the input', x, 'f32');
  return withReductionLayout('variance', x, axes, (from, layout) => {
    const reduced = (values: DeviceArray, divisor: number) => {
      const result = output(x.device, shape, x.replicas);
      reduceMiddle('reduceSum', values, layout, result, { factor: 1 / divisor });
      return result;
    };
    const deviation = (values: DeviceArray, mean: DeviceArray, squared: boolean) => {
      const result = output(x.device, from.shape, x.replicas);
      const [params, workgroups] = broadcastDispatch(x, layout, squared ? 1 : 0);
      runKernel(x.device, { name: 'deviation', code: deviationCode }, params, [values, mean, result], workgroups);
      return result;
    };
    const center = reduced(from, layout.rows);
    const deviations = deviation(from, center, false);
    const rest = reduced(deviations, layout.rows);
    const squares = deviation(deviations, rest, true);
    const y = reduced(squares, layout.rows - ddof);
    deviations.dispose();
    squares.dispose();
    return { y, mean: { center, rest } };
  });
}

/** Gradient of `variance`. Memory-bound. */
export function varianceGrad(
  x: DeviceArray,
  { center, rest }: SplitMean,
  dy: DeviceArray,
  axes: readonly number[],
  ddof: number,
  into?: DeviceArray,
): DeviceArray {
  return withReductionLayout('variance', x, axes, (from, layout, order) =>
    gradInLayout('variance', x, into, order, (dx) => {
      const [params, workgroups] = broadcastDispatch(x, layout, f32Bits(2 / (layout.rows - ddof)));
      const source = { name: 'variance_grad', code: varianceGradCode };
      runKernel(x.device, source, params, [from, center, rest, dy, dx], workgroups);
    }),
  );
}
