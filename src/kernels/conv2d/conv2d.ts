import convCode from '../../../shaders/conv2d/conv2d.wgsl';
import inputGradCode from '../../../shaders/conv2d/conv2d_input_grad.wgsl';
import weightGradCode from '../../../shaders/conv2d/conv2d_weight_grad.wgsl';
import { ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, sameShape, showShape } from '../array.ts';
import { familyOf, withVariant } from '../choice.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { MAX_SUM_LENGTH, withLongSums } from '../reduce/long-sums.ts';
import { sumRows } from '../reduce/reduce.ts';
import { checkDType, commonReplicas, elementwiseWorkgroups, output, runKernel, vectorized } from '../run.ts';
import {
  type ConvGeometry,
  type ConvOptions,
  convFlops,
  convGeometry,
  filterShape,
  geometryParams,
  inputGradGeometry,
  inputShape,
  outputShape,
} from './conv-geometry.ts';
import { sizesOf } from './conv-sizes.ts';
import * as directRows from './conv2d-direct-rows.ts';
import * as directVec4 from './conv2d-direct-vec4.ts';
import * as gemm from './conv2d-gemm.ts';
import * as gemmTiled from './conv2d-gemm-tiled.ts';
import * as product from './conv2d-matmul.ts';
import * as patches from './conv2d-patches.ts';
import * as winograd1d from './conv2d-winograd1d.ts';
import * as winograd2d from './conv2d-winograd2d.ts';

export { type ConvGeometry, type ConvOptions, convGeometry } from './conv-geometry.ts';

/** The optimized implementations. */
const optimized = { directVec4, gemm, directRows, gemmTiled, matmul: product, winograd1d, winograd2d, patches };

/** Every implementation, the reference first. */
export const conv2dVariants = [
  'naive',
  'directVec4',
  'gemm',
  'directRows',
  'gemmTiled',
  'matmul',
  'winograd1d',
  'winograd2d',
  'patches',
] as const;
export type Conv2dVariant = (typeof conv2dVariants)[number];

interface RunOptions {
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: Conv2dVariant;
}

/** Which of the three kernels a variant has for this adapter and shape. The reference has all three. */
export function conv2dSupports(variant: Conv2dVariant, device: Device, g: ConvGeometry) {
  if (variant === 'naive') return { forward: true, inputGrad: true, weightGrad: true };
  const { supportsForward, supportsInputGrad, supportsWeightGrad } = optimized[variant];
  return {
    forward: supportsForward(device, g),
    inputGrad: supportsInputGrad(device, g),
    weightGrad: supportsWeightGrad(device, g),
  };
}

/** The kernels of a convolution, with the names that the tuner uses. */
const KERNELS = { forward: 'conv2d', inputGrad: 'conv2dInputGrad', weightGrad: 'conv2dWeightGrad' } as const;
type Kernel = keyof typeof KERNELS;

/**
 * Optimized implementations in order of preference; on software adapters as measured on lavapipe. The first that supports the shape is used.
 */
export function preferredConv2d(kernel: Kernel, device: Device, g: ConvGeometry): (keyof typeof optimized)[] {
  const pointwise = conv2dSupports('matmul', device, g)[kernel];
  if (device.info.isSoftware) return preferredOnCpu(kernel, pointwise, g);
  // Not measured on a GPU. There the matrix product does the same work as the convolution, without computing pixel positions.
  const first = pointwise ? (['matmul', 'gemmTiled'] as const) : (['gemmTiled'] as const);
  // The rule for Arm would put the others before `gemmTiled`, which is used there so far. Change that only after a measurement.
  return familyOf(device.info) === 'arm' ? [...first] : [...first, 'gemm', 'directVec4'];
}

/** The preferences on a CPU. Matrix products need enough channels to fill their tiles. */
function preferredOnCpu(kernel: Kernel, pointwise: boolean, g: ConvGeometry): (keyof typeof optimized)[] {
  if (pointwise && isMatmulProfitable(kernel, g)) return ['matmul'];
  const sizes = kernel === 'inputGrad' ? inputGradGeometry(g) : g; // it runs as a forward convolution
  const wide = sizes.outChannels >= 16;
  // Eight lanes compute eight output channels. With half of them idle, `directRows` is only faster for the weight gradient.
  const filled = sizes.outChannels > 4;
  const first = filled ? profitableWinograd(kernel, sizes) : [];
  if (wide && sizes.inChannels >= 32) return [...first, 'gemm', 'directVec4'];
  // `patches` is for a first layer with strides, which otherwise only the reference supports: 66 ms of a step of MobileNetV2.
  if (kernel === 'weightGrad') return [...first, 'directRows', 'directVec4', 'gemm', 'patches'];
  const others = wide ? (['gemm', 'directVec4'] as const) : (['directVec4', 'gemm'] as const);
  return filled ? [...first, 'directRows', ...others] : [...others];
}

/** The variants of Winograd's algorithm that are faster than the others on lavapipe. */
function profitableWinograd(kernel: Kernel, g: ConvGeometry): ('winograd1d' | 'winograd2d')[] {
  if (kernel === 'weightGrad') return g.inChannels >= 32 && winograd2d.isWeightGradProfitable(g) ? ['winograd2d'] : [];
  // The alternative is the implicit product, which takes a third longer.
  const rows = winograd1d.isProfitable(g);
  const wide = g.inChannels >= 32 && g.outChannels >= 16;
  return [
    ...(wide && winograd2d.isForwardProfitable(g, rows ? 1 : 4 / 3) ? (['winograd2d'] as const) : []),
    ...(rows ? (['winograd1d'] as const) : []),
  ];
}

/**
 * Whether a convolution with a 1 x 1 filter is faster as a matrix product, on lavapipe. The weight gradient always is: 1 to 6 times as
 * fast. The forward pass is if the implicit product has no kernel: 2 times. The input gradient of many channels is: 1.1 to 1.6 times.
 * With few channels the other variants are faster, up to 2 times.
 */
function isMatmulProfitable(kernel: Kernel, { inChannels, outChannels }: ConvGeometry): boolean {
  if (kernel === 'forward') return inChannels >= 16 && outChannels % 4 !== 0;
  return kernel === 'weightGrad' || Math.min(inChannels, outChannels) >= 96;
}

/**
 * Runs `body` with the selected optimized implementation, or null for the reference.
 * @throws ArgumentError if the requested variant does not support the shape
 */
function withSelectedVariant(
  kernel: Kernel,
  device: Device,
  g: ConvGeometry,
  requested: Conv2dVariant | undefined,
  body: (implementation: (typeof optimized)[keyof typeof optimized] | null) => void,
): void {
  const options = {
    variants: conv2dVariants,
    preferred: preferredConv2d(kernel, device, g),
    supports: (one: Conv2dVariant) => conv2dSupports(one, device, g)[kernel],
    requested,
  };
  withVariant(device, KERNELS[kernel], sizesOf(g), options, (variant) =>
    body(variant === 'naive' ? null : optimized[variant]),
  );
}

/** A kernel of the reference, for sums of `terms` terms. */
const reference = (name: string, code: string, terms: number) =>
  withLongSums(vectorized(name, code, 1), terms, MAX_SUM_LENGTH);

/**
 * 2-D convolution (cross-correlation, as in every deep-learning library), bias and activation fused into the store. Compute-bound.
 * @param x [N,H,W,Ci]
 * @param filter [KH,KW,Ci,Co]
 * @returns [N,OH,OW,Co]
 * @throws ShapeError, ArgumentError
 */
export function conv2d(
  x: DeviceArray,
  filter: DeviceArray,
  options: ConvOptions & RunOptions & Epilogue = {},
): DeviceArray {
  const g = convGeometry(x, filter, options);
  const { bias } = options;
  if (bias) checkDType('conv2d', 'the bias', bias, 'f32');
  const replicas = commonReplicas('conv2d', [x, filter, bias]);
  if (bias && !sameShape(bias.shape, [g.outChannels])) {
    const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
    throw new ShapeError(
      `conv2d: the bias must have shape [${g.outChannels}], but has ${showShape(bias.shape)} (${shapes})`,
    );
  }
  const y = output(x.device, outputShape(g), replicas, options.into);
  withSelectedVariant('forward', x.device, g, options.variant, (kernel) => {
    if (kernel && 'forward' in kernel) {
      kernel.forward(x, filter, g, y, { bias, activation: options.activation });
      return;
    }
    runKernel(
      x.device,
      withEpilogue(reference('conv2d', convCode, g.kernel[0] * g.kernel[1] * g.inChannels), options.activation),
      [...geometryParams(g), ...epilogueFlags(options)],
      [x, filter, epilogueArray(options, filter), y],
      elementwiseWorkgroups(y.size, replicas),
      { flops: convFlops(g, replicas) },
    );
  });
  return y;
}

/** Gradient for the input: dy [N,OH,OW,Co], filter [KH,KW,Ci,Co] -> dx [N,H,W,Ci]. Compute-bound. */
export function conv2dInputGrad(
  dy: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  options: RunOptions = {},
): DeviceArray {
  const replicas = commonReplicas('conv2d', [dy, filter]);
  const dx = output(dy.device, inputShape(g), replicas, options.into);
  withSelectedVariant('inputGrad', dy.device, g, options.variant, (kernel) => {
    if (kernel && 'inputGrad' in kernel) {
      kernel.inputGrad(dy, filter, g, dx);
      return;
    }
    runKernel(
      dy.device,
      reference('conv2d_input_grad', inputGradCode, g.kernel[0] * g.kernel[1] * g.outChannels),
      geometryParams(g),
      [dy, filter, dx],
      elementwiseWorkgroups(dx.size, replicas),
      { flops: convFlops(g, replicas) },
    );
  });
  return dx;
}

/**
 * Gradient for the filter: x [N,H,W,Ci], dy [N,OH,OW,Co] -> dw [KH,KW,Ci,Co], a sum over the batch. Compute-bound.
 * @param options.columnSums f32 [Co]; receives the sums of dy over all pixels: the gradient of the bias, which some kernels compute on the way
 */
export function conv2dWeightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  options: RunOptions & { columnSums?: DeviceArray | null } = {},
): DeviceArray {
  const replicas = commonReplicas('conv2d', [x, dy]);
  const dw = output(x.device, filterShape(g), replicas, options.into);
  const columnSums = options.columnSums ?? undefined;
  withSelectedVariant('weightGrad', x.device, g, options.variant, (kernel) => {
    if (kernel === directRows || kernel === product) {
      kernel.weightGrad(x, dy, g, dw, columnSums);
      return;
    }
    if (columnSums) sumRows(dy, g.outChannels, { into: columnSums });
    if (kernel && 'weightGrad' in kernel) {
      kernel.weightGrad(x, dy, g, dw);
      return;
    }
    runKernel(
      x.device,
      reference('conv2d_weight_grad', weightGradCode, g.batch * g.output[0] * g.output[1]),
      geometryParams(g),
      [x, dy, dw],
      elementwiseWorkgroups(dw.size, replicas),
      { flops: convFlops(g, replicas) },
    );
  });
  return dw;
}
