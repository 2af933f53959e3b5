import convCode from '../../shaders/conv2d.wgsl';
import inputGradCode from '../../shaders/conv2d_input_grad.wgsl';
import weightGradCode from '../../shaders/conv2d_weight_grad.wgsl';
import { ShapeError } from '../errors.ts';
import { type DeviceArray, type Shape, sameShape, showShape } from './array.ts';
import { checkDType, checkRank, commonModels, elementwise, output, runKernel } from './run.ts';
import { type Padding, type Pair, pair, slide } from './window.ts';

export interface ConvOptions {
  strides?: Pair;
  /** 'same' as TensorFlow has it: extra padding at the end. */
  padding?: Padding;
  dilation?: Pair;
}

/** Every implementation, the reference first. */
export const conv2dVariants = ['naive'] as const;
export type Conv2dVariant = (typeof conv2dVariants)[number];

interface RunOptions {
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: Conv2dVariant;
}

/** All sizes of a convolution, checked once and shared by the three kernels. */
export interface ConvGeometry {
  batch: number;
  input: [number, number];
  inChannels: number;
  output: [number, number];
  outChannels: number;
  kernel: [number, number];
  strides: [number, number];
  pad: [number, number];
  dilation: [number, number];
}

/** @throws ShapeError, ArgumentError with the shapes of input and filter. */
export function convGeometry(x: DeviceArray, filter: DeviceArray, options: ConvOptions = {}): ConvGeometry {
  const operator = 'conv2d';
  checkDType(operator, 'the input', x, 'f32');
  checkDType(operator, 'the filter', filter, 'f32');
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  checkRank(operator, 'the filter', filter, 4, 'height, width, input channels, output channels');
  const [batch, h, w, inChannels] = x.shape as [number, number, number, number];
  const [kh, kw, filterIn, outChannels] = filter.shape as [number, number, number, number];
  const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
  if (inChannels !== filterIn) {
    throw new ShapeError(
      `${operator}: input has ${inChannels} channels but the filter expects ${filterIn} (${shapes})`,
    );
  }
  const strides = pair(operator, 'strides', options.strides ?? 1);
  const dilation = pair(operator, 'dilation', options.dilation ?? 1);
  const { size, pad } = slide(operator, [h, w], [kh, kw], strides, dilation, options.padding ?? 'valid', shapes);
  return { batch, input: [h, w], inChannels, output: size, outChannels, kernel: [kh, kw], strides, pad, dilation };
}

const inputShape = (g: ConvGeometry): Shape => [g.batch, ...g.input, g.inChannels];
const outputShape = (g: ConvGeometry): Shape => [g.batch, ...g.output, g.outChannels];
const filterShape = (g: ConvGeometry): Shape => [...g.kernel, g.inChannels, g.outChannels];

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
  runKernel(
    x.device,
    { name: 'conv2d', code: convCode, constants: { HAS_BIAS: bias ? 1 : 0, RELU: options.relu ? 1 : 0 } },
    geometryParams(g),
    [x, filter, bias ?? filter, y],
    elementwise(y.size, models),
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
  runKernel(
    dy.device,
    { name: 'conv2d_input_grad', code: inputGradCode },
    geometryParams(g),
    [dy, filter, dx],
    elementwise(dx.size, models),
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
  runKernel(
    x.device,
    { name: 'conv2d_weight_grad', code: weightGradCode },
    geometryParams(g),
    [x, dy, dw],
    elementwise(dw.size, models),
  );
  return dw;
}
