import depthwiseCode from '../../../shaders/depthwise/depthwise_conv2d.wgsl';
import inputGradCode from '../../../shaders/depthwise/depthwise_conv2d_input_grad.wgsl';
import weightGradCode from '../../../shaders/depthwise/depthwise_conv2d_weight_grad.wgsl';
import { ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, sameShape, showShape, sizeOf } from '../array.ts';
import { withVariant } from '../choice.ts';
import { inputShape, outputShape } from '../conv2d/conv-geometry.ts';
import { MAX_SUM_LENGTH, withLongSums } from '../reduce/long-sums.ts';
import { sumRows } from '../reduce/reduce.ts';
import { checkDType, commonReplicas, elementwiseWorkgroups, output, runKernel, vectorized } from '../run.ts';
import { type DepthwiseGeometry, depthwiseFlops, depthwiseSizes, OPERATOR } from './depthwise-geometry.ts';
import * as strips from './depthwise-strips.ts';

export { type DepthwiseGeometry, depthwiseGeometry } from './depthwise-geometry.ts';

/** Every implementation, the reference first; then strips of columns, of one channel or of four. */
export const depthwiseVariants = ['naive', 'strips', 'stripsVec4'] as const;
export type DepthwiseVariant = (typeof depthwiseVariants)[number];

const VECTOR_WIDTHS = { strips: 1, stripsVec4: 4 } as const;

/** The kernels of a depthwise convolution, with the names that the tuner uses. */
const KERNELS = {
  forward: 'depthwiseConv2d',
  inputGrad: 'depthwiseInputGrad',
  weightGrad: 'depthwiseWeightGrad',
} as const;
export type DepthwiseKernel = keyof typeof KERNELS;

export interface DepthwiseRun {
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: DepthwiseVariant;
}

/** Whether a variant has a kernel for this adapter and shape. The reference always has. */
export const depthwiseSupports = (
  kernel: DepthwiseKernel,
  variant: DepthwiseVariant,
  device: Device,
  g: DepthwiseGeometry,
): boolean => variant === 'naive' || strips.supports(kernel, VECTOR_WIDTHS[variant], device, g);

/**
 * Fewest results of one replica for which strips are worth their compilation: 0.2 to 0.6 s of CPU time on lavapipe. There the reference
 * takes 10 to 30 ns per result on one core, strips take 2 to 4 ns.
 */
const MIN_RESULTS_FOR_STRIPS = 2 ** 14;

/**
 * The variants to use without measurement, the best first. On lavapipe, four channels at once are 1.1 to 2 times as fast as one. Probably
 * also on a GPU (not measured), because a load brings 16 bytes, unless the weights of four channels fill its registers.
 */
export function preferredDepthwise({ info }: Device, g: DepthwiseGeometry): DepthwiseVariant[] {
  if (sizeOf(outputShape(g)) < MIN_RESULTS_FOR_STRIPS) return [];
  const few = info.isSoftware || g.kernel[0] * g.kernel[1] <= 16;
  return few ? ['stripsVec4', 'strips'] : ['strips', 'stripsVec4'];
}

/**
 * Runs `body` with the vector width of the strips to use, or null for the reference.
 * @throws ArgumentError if the requested variant does not support the shape
 */
function withSelectedVariant(
  kernel: DepthwiseKernel,
  device: Device,
  g: DepthwiseGeometry,
  requested: DepthwiseVariant | undefined,
  body: (vectorWidth: 1 | 4 | null) => void,
): void {
  const options = {
    variants: depthwiseVariants,
    preferred: preferredDepthwise(device, g),
    supports: (one: DepthwiseVariant) => depthwiseSupports(kernel, one, device, g),
    requested,
  };
  withVariant(device, KERNELS[kernel], depthwiseSizes(g), options, (variant) =>
    body(variant === 'naive' ? null : VECTOR_WIDTHS[variant]),
  );
}

/**
 * Channels of an invocation of the reference. With one filter per channel, channels do not mix: four neighbors are one vec4f, which
 * needs a quarter of the loads.
 */
const referenceVectorWidth = (g: DepthwiseGeometry): 1 | 4 => (g.multiplier === 1 && g.inChannels % 4 === 0 ? 4 : 1);

/** A kernel of the reference, for sums of `terms` terms. */
const reference = (name: string, code: string, g: DepthwiseGeometry, terms: number) =>
  withLongSums(vectorized(name, code, referenceVectorWidth(g)), terms, MAX_SUM_LENGTH);

/** Sizes in the order of the shaders' `Params`. */
function geometryParams(g: DepthwiseGeometry): number[] {
  const vectorWidth = referenceVectorWidth(g);
  return [
    ...[g.batch, ...g.input, g.inChannels / vectorWidth, ...g.output, g.outChannels / vectorWidth],
    ...[...g.kernel, ...g.strides, ...g.pad, ...g.dilation, g.multiplier],
  ];
}

/**
 * Depthwise convolution: each channel has separate filters. The bias is fused into the store. Memory-bound.
 * @param x [N,H,W,C]
 * @param filter [KH,KW,C,M]
 * @param bias [C*M] or null
 * @returns [N,OH,OW,C*M]
 * @throws ShapeError, ArgumentError
 */
export function depthwiseConv2d(
  x: DeviceArray,
  filter: DeviceArray,
  bias: DeviceArray | null,
  g: DepthwiseGeometry,
  { into, variant }: DepthwiseRun = {},
): DeviceArray {
  if (bias) checkDType(OPERATOR, 'the bias', bias, 'f32');
  const replicas = commonReplicas(OPERATOR, [x, filter, bias]);
  if (bias && !sameShape(bias.shape, [g.outChannels])) {
    const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
    throw new ShapeError(
      `${OPERATOR}: the bias must have shape [${g.outChannels}], but has ${showShape(bias.shape)} (${shapes})`,
    );
  }
  const y = output(x.device, outputShape(g), replicas, into);
  withSelectedVariant('forward', x.device, g, variant, (vectorWidth) => {
    if (vectorWidth) {
      strips.forward(vectorWidth, x, filter, bias, g, y);
      return;
    }
    const source = reference('depthwise_conv2d', depthwiseCode, g, g.kernel[0] * g.kernel[1]);
    const params = [...geometryParams(g), bias ? 1 : 0];
    const workgroups = elementwiseWorkgroups(y.size / referenceVectorWidth(g), replicas);
    const cost = { flops: depthwiseFlops(g, replicas) };
    runKernel(x.device, source, params, [x, filter, bias ?? filter, y], workgroups, cost);
  });
  return y;
}

/** Gradient for the input: dy [N,OH,OW,C*M], filter [KH,KW,C,M] -> dx [N,H,W,C]. Memory-bound. @throws ArgumentError */
export function depthwiseInputGrad(
  dy: DeviceArray,
  filter: DeviceArray,
  g: DepthwiseGeometry,
  { into, variant }: DepthwiseRun = {},
): DeviceArray {
  const dx = output(dy.device, inputShape(g), dy.replicas, into);
  withSelectedVariant('inputGrad', dy.device, g, variant, (vectorWidth) => {
    if (vectorWidth) {
      strips.inputGrad(vectorWidth, dy, filter, g, dx);
      return;
    }
    const terms = g.kernel[0] * g.kernel[1] * g.multiplier;
    const source = reference('depthwise_conv2d_input_grad', inputGradCode, g, terms);
    const workgroups = elementwiseWorkgroups(dx.size / referenceVectorWidth(g), dx.replicas);
    const cost = { flops: depthwiseFlops(g, dx.replicas) };
    runKernel(dy.device, source, geometryParams(g), [dy, filter, dx], workgroups, cost);
  });
  return dx;
}

/** Most taps of a filter whose partial sums, one for 512 pixels, are at most an eighth of dy. */
const MAX_TAPS = MAX_SUM_LENGTH / 8;

/**
 * Gradient for the filter: x [N,H,W,C], dy [N,OH,OW,C*M] -> dw [KH,KW,C,M]. A filter has few elements with long
 * sums, so there are two passes: partial sums over slices of images or output rows, then their sum. Memory-bound. @throws ArgumentError
 */
export function depthwiseWeightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: DepthwiseGeometry,
  { into, variant }: DepthwiseRun = {},
): DeviceArray {
  const shape = [...g.kernel, g.inChannels, g.multiplier];
  const dw = output(x.device, shape, x.replicas, into);
  withSelectedVariant('weightGrad', x.device, g, variant, (vectorWidth) => {
    const part = vectorWidth ? strips.weightGradParts(vectorWidth, x, dy, g) : naiveWeightGradParts(x, dy, g);
    const flat = dw.reshape([dw.size]);
    sumRows(part, dw.size, { into: flat });
    flat.dispose();
    part.dispose();
  });
  return dw;
}

/** Partial sums over slices of output rows; long rows are divided into parts -> [slices, KH*KW*C*M]. */
function naiveWeightGradParts(x: DeviceArray, dy: DeviceArray, g: DepthwiseGeometry): DeviceArray {
  const taps = g.kernel[0] * g.kernel[1];
  const columns = Math.max(1, Math.min(g.output[1], MAX_SUM_LENGTH)); // of a part
  const rowParts = Math.ceil(g.output[1] / columns);
  const pieces = g.batch * g.output[0] * rowParts;
  // Slices so short that the first pass needs one level of summation (two take up to 1.7 times as long on lavapipe), unless the filter is
  // so large that the partial sums would be larger than dy.
  const short = taps <= MAX_TAPS ? Math.floor(MAX_SUM_LENGTH / columns) : pieces;
  const sliceLength = Math.max(1, Math.min(Math.ceil(Math.sqrt(pieces)), short));
  const slices = Math.max(1, Math.ceil(pieces / sliceLength)); // one slice even without pixels, because an empty sum is 0
  const part = DeviceArray.empty(x.device, [slices, taps * g.outChannels], { replicas: x.replicas });
  const { name, code, constants } = reference('depthwise_conv2d_weight_grad', weightGradCode, g, sliceLength * columns);
  const source = { name, code, constants: { ...constants, PARTS: rowParts > 1 ? 1 : 0 } };
  const params = [...geometryParams(g), sliceLength, slices, columns, rowParts];
  const workgroups = elementwiseWorkgroups(part.size / referenceVectorWidth(g), part.replicas);
  runKernel(x.device, source, params, [x, dy, part], workgroups, { flops: depthwiseFlops(g, x.replicas) });
  return part;
}
