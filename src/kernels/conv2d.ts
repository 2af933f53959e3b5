import convCode from '../../shaders/conv2d.wgsl';
import inputGradCode from '../../shaders/conv2d_input_grad.wgsl';
import weightGradCode from '../../shaders/conv2d_weight_grad.wgsl';
import { ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { type DeviceArray, sameShape, showShape } from './array.ts';
import { chooseVariant } from './choice.ts';
import {
  type ConvGeometry,
  type ConvOptions,
  convFlops,
  convGeometry,
  filterShape,
  inputShape,
  outputShape,
} from './conv-geometry.ts';
import { sizesOf } from './conv-sizes.ts';
import * as subgroup from './conv2d-subgroup.ts';
import { checkDType, commonModels, elementwise, output, runKernel } from './run.ts';

export { type ConvGeometry, type ConvOptions, convGeometry } from './conv-geometry.ts';

/** Every implementation, the reference first. */
export const conv2dVariants = ['naive', 'subgroup'] as const;
export type Conv2dVariant = (typeof conv2dVariants)[number];

interface RunOptions {
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: Conv2dVariant;
}

/** Which of the three kernels a variant has for this adapter and shape. The reference has all. */
export function conv2dServes(variant: Conv2dVariant, device: Device, g: ConvGeometry) {
  const naive = variant === 'naive';
  return {
    forward: naive || subgroup.servesForward(device, g),
    inputGrad: naive || subgroup.servesInputGrad(device, g),
    weightGrad: naive || subgroup.servesWeightGrad(device, g),
  };
}

/** The kernels of a convolution, by the names under which the tuner knows them. */
const KERNELS = { forward: 'conv2d', inputGrad: 'conv2dInputGrad', weightGrad: 'conv2dWeightGrad' } as const;

/** The variant to run. @throws ArgumentError when one was asked for that cannot */
function choose(kernel: keyof typeof KERNELS, device: Device, g: ConvGeometry, asked?: Conv2dVariant): Conv2dVariant {
  const serves = (variant: Conv2dVariant) => conv2dServes(variant, device, g)[kernel];
  return chooseVariant(device, KERNELS[kernel], sizesOf(g), { variants: conv2dVariants, serves, asked });
}

/** In the order of the shaders' `Params`. */
function geometryParams(g: ConvGeometry): number[] {
  return [
    ...[g.batch, ...g.input, g.inChannels, ...g.output, g.outChannels],
    ...[...g.kernel, ...g.strides, ...g.pad, ...g.dilation],
  ];
}

/**
 * 2-D convolution (cross-correlation, as in every deep-learning library), bias and ReLU fused into the store. Compute-bound.
 * @param x [N,H,W,Ci]
 * @param filter [KH,KW,Ci,Co]
 * @returns [N,OH,OW,Co]
 * @throws ShapeError, ArgumentError
 */
export function conv2d(
  x: DeviceArray,
  filter: DeviceArray,
  options: ConvOptions & RunOptions & { bias?: DeviceArray | null; relu?: boolean } = {},
): DeviceArray {
  const g = convGeometry(x, filter, options);
  const { bias } = options;
  if (bias) checkDType('conv2d', 'the bias', bias, 'f32');
  const models = commonModels('conv2d', [x, filter, bias]);
  if (bias && !sameShape(bias.shape, [g.outChannels])) {
    const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
    throw new ShapeError(
      `conv2d: the bias must have shape [${g.outChannels}], but has ${showShape(bias.shape)} (${shapes})`,
    );
  }
  const y = output(x.device, outputShape(g), models, options.into);
  if (choose('forward', x.device, g, options.variant) === 'subgroup') {
    subgroup.forward(x, filter, g, y, { bias, relu: options.relu });
    return y;
  }
  runKernel(
    x.device,
    { name: 'conv2d', code: convCode },
    [...geometryParams(g), bias ? 1 : 0, options.relu ? 1 : 0],
    [x, filter, bias ?? filter, y],
    elementwise(y.size, models),
    { flops: convFlops(g, models) },
  );
  return y;
}

/** Gradient for the input: dy [N,OH,OW,Co], filter [KH,KW,Ci,Co] -> dx [N,H,W,Ci]. Compute-bound. */
export function conv2dInputGrad(
  dy: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  options: RunOptions = {},
): DeviceArray {
  const models = commonModels('conv2d', [dy, filter]);
  const dx = output(dy.device, inputShape(g), models, options.into);
  if (choose('inputGrad', dy.device, g, options.variant) === 'subgroup') {
    subgroup.inputGrad(dy, filter, g, dx);
    return dx;
  }
  runKernel(
    dy.device,
    { name: 'conv2d_input_grad', code: inputGradCode },
    geometryParams(g),
    [dy, filter, dx],
    elementwise(dx.size, models),
    { flops: convFlops(g, models) },
  );
  return dx;
}

/** Gradient for the filter: x [N,H,W,Ci], dy [N,OH,OW,Co] -> dw [KH,KW,Ci,Co], a sum over the batch. Compute-bound. */
export function conv2dWeightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  options: RunOptions = {},
): DeviceArray {
  const models = commonModels('conv2d', [x, dy]);
  const dw = output(x.device, filterShape(g), models, options.into);
  if (choose('weightGrad', x.device, g, options.variant) === 'subgroup') {
    subgroup.weightGrad(x, dy, g, dw);
    return dw;
  }
  runKernel(
    x.device,
    { name: 'conv2d_weight_grad', code: weightGradCode },
    geometryParams(g),
    [x, dy, dw],
    elementwise(dw.size, models),
    { flops: convFlops(g, models) },
  );
  return dw;
}
