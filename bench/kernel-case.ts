import type { Device } from '../src/gpu/device.ts';
import { type DeviceArray, type Shape, sizeOf } from '../src/kernels/array.ts';
import * as conv from '../src/kernels/conv2d/conv2d.ts';
import * as depthwise from '../src/kernels/depthwise/depthwise.ts';
import { matmul, matmulVariants } from '../src/kernels/matmul/matmul.ts';
import type { Padding } from '../src/kernels/window.ts';

/** Creates an array of random values that lives until the end of the benchmark. */
export type Draw = (shape: Shape) => DeviceArray;

/** A kernel at one of the shapes that occur in the courseworks. */
export interface KernelCase {
  name: string;
  /** Operations of one run; a multiply-add counts as two. */
  flops: number;
  /** Minimum of bytes to move: every input read once, every output written once. */
  bytes: number;
  /** The ceiling that the result is compared with. */
  bound: 'compute' | 'memory';
  /** Names of the implementations, the reference first; empty if there is only one. */
  variants: readonly string[];
  /** Creates the inputs. @returns a function that dispatches one run, with the given variant or the one that the engine chooses */
  setUp(draw: Draw, device: Device): (variant?: string) => void;
}

const f32 = (...shapes: Shape[]) => 4 * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);

interface Product {
  m: number;
  k: number;
  n: number;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** Returns the case of [M,K] x [K,N]; both matrices can be stored transposed. */
export function product(name: string, { m, k, n, transposeA = false, transposeB = false }: Product): KernelCase {
  const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
  return {
    name,
    flops: 2 * m * k * n,
    bytes: f32(a, b, [m, n]),
    bound: 'compute',
    variants: matmulVariants,
    setUp(draw) {
      const [left, right] = [draw(a), draw(b)];
      return (variant) =>
        void matmul(left, right, { transposeA, transposeB, variant: variant as (typeof matmulVariants)[number] });
    },
  };
}

/** Returns the three matrix products of a dense layer. `first` omits the input gradient, which a first layer does not need. */
export function dense(name: string, batch: number, inputs: number, units: number, first = false): KernelCase[] {
  return [
    product(`${name}-forward`, { m: batch, k: inputs, n: units }),
    ...(first ? [] : [product(`${name}-input-grad`, { m: batch, k: units, n: inputs, transposeB: true })]),
    product(`${name}-weight-grad`, { m: inputs, k: batch, n: units, transposeA: true }),
  ];
}

interface Convolution {
  x: Shape;
  filter: Shape;
  padding?: Padding;
  strides?: number;
  /** Whether it is the first layer, which needs no input gradient. */
  first?: boolean;
}

/** Pixels along a side of the output. */
const outputSide = (input: number, kernel: number, strides: number, padding: Padding) =>
  Math.ceil((padding === 'same' ? input : input - kernel + 1) / strides);

function outputOf({ x, filter, padding = 'valid', strides = 1 }: Convolution, channels: number): Shape {
  const side = (axis: number) => outputSide(x[axis]!, filter[axis - 1]!, strides, padding);
  return [x[0]!, side(1), side(2), channels];
}

/** Returns the cases of the three kernels of a convolution. */
export function convolution(name: string, layer: Convolution): KernelCase[] {
  const { x, filter, padding, strides, first = false } = layer;
  const y = outputOf(layer, filter[3]!);
  const shared = {
    flops: 2 * sizeOf(y) * sizeOf(filter.slice(0, 3)),
    bytes: f32(x, filter, y),
    bound: 'compute' as const,
    variants: conv.conv2dVariants,
  };
  const as = (variant?: string) => ({ variant: variant as conv.Conv2dVariant });
  const make = (draw: Draw) => {
    const [input, weights, dy] = [draw(x), draw(filter), draw(y)];
    return { input, weights, dy, geometry: conv.convGeometry(input, weights, { padding, strides }) };
  };
  const cases: KernelCase[] = [
    {
      ...shared,
      name: `${name}-forward`,
      setUp(draw) {
        const { input, weights } = make(draw);
        return (variant) => void conv.conv2d(input, weights, { padding, strides, ...as(variant) });
      },
    },
    {
      ...shared,
      name: `${name}-input-grad`,
      setUp(draw) {
        const { dy, weights, geometry } = make(draw);
        return (variant) => void conv.conv2dInputGrad(dy, weights, geometry, as(variant));
      },
    },
    {
      ...shared,
      name: `${name}-weight-grad`,
      setUp(draw) {
        const { input, dy, geometry } = make(draw);
        return (variant) => void conv.conv2dWeightGrad(input, dy, geometry, as(variant));
      },
    },
  ];
  return first ? cases.filter((one) => !one.name.endsWith('-input-grad')) : cases;
}

/** Returns the cases of the three kernels of a 3x3 depthwise convolution with padding `same`. */
export function depthwiseConvolution(name: string, x: Shape, strides: number): KernelCase[] {
  const channels = x[3]!;
  const filter = [3, 3, channels, 1];
  const y = outputOf({ x, filter, padding: 'same', strides }, channels);
  const make = (draw: Draw) => {
    const [input, weights, dy] = [draw(x), draw(filter), draw(y)];
    return { input, weights, dy, g: depthwise.depthwiseGeometry(input, weights, { padding: 'same', strides }) };
  };
  const shared = {
    ...{ flops: 2 * 9 * sizeOf(y), bytes: f32(x, filter, y), bound: 'memory' as const },
    variants: depthwise.depthwiseVariants,
  };
  const as = (variant?: string) => ({ variant: variant as depthwise.DepthwiseVariant });
  return [
    {
      ...shared,
      name: `${name}-forward`,
      setUp(draw) {
        const { input, weights, g } = make(draw);
        return (variant) => void depthwise.depthwiseConv2d(input, weights, null, g, as(variant));
      },
    },
    {
      ...shared,
      name: `${name}-input-grad`,
      setUp(draw) {
        const { dy, weights, g } = make(draw);
        return (variant) => void depthwise.depthwiseInputGrad(dy, weights, g, as(variant));
      },
    },
    {
      ...shared,
      name: `${name}-weight-grad`,
      setUp(draw) {
        const { input, dy, g } = make(draw);
        return (variant) => void depthwise.depthwiseWeightGrad(input, dy, g, as(variant));
      },
    },
  ];
}
