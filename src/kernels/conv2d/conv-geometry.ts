import { ShapeError } from '../../base/errors.ts';
import { type DeviceArray, type Shape, showShape, sizeOf } from '../array.ts';
import { checkDType, checkRank } from '../run.ts';
import { checkPair, type Padding, type Pair, slideWindow } from '../window.ts';

/**
 * How a filter moves over an image.
 * @inline
 */
export interface ConvOptions {
  /** Pixels from one output to the next. Default 1. */
  strides?: Pair;
  /** 'same' as TensorFlow has it: extra padding at the end. Default 'valid'. */
  padding?: Padding;
  /** Distance between the pixels that neighboring weights see. Default 1. */
  dilation?: Pair;
}

/** All sizes of a convolution, checked once and used by its three kernels. */
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
  /** If this convolution computes an input gradient: the convolution that it is the gradient of, by which operations are counted. */
  gradientOf?: ConvGeometry;
}

/** Checks input and filter. @throws ShapeError, ArgumentError that show their shapes */
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
  const strides = checkPair(operator, 'strides', options.strides ?? 1);
  const dilation = checkPair(operator, 'dilation', options.dilation ?? 1);
  const { size, pad } = slideWindow(operator, [h, w], [kh, kw], strides, dilation, options.padding ?? 'valid', shapes);
  return { batch, input: [h, w], inChannels, output: size, outChannels, kernel: [kh, kw], strides, pad, dilation };
}

/**
 * Floating-point operations of each of the three kernels: 2 N OH OW Co KH KW Ci for each replica. A multiply-add counts as two; taps on
 * padding count.
 */
export function convFlops(geometry: ConvGeometry, replicas: number): number {
  const g = geometry.gradientOf ?? geometry;
  return 2 * replicas * sizeOf(outputShape(g)) * g.kernel[0] * g.kernel[1] * g.inChannels;
}

export const inputShape = (g: ConvGeometry): Shape => [g.batch, ...g.input, g.inChannels];
export const outputShape = (g: ConvGeometry): Shape => [g.batch, ...g.output, g.outChannels];
export const filterShape = (g: ConvGeometry): Shape => [...g.kernel, g.inChannels, g.outChannels];

/** The sizes in the order of the shaders' `Params`. */
export function geometryParams(g: ConvGeometry): number[] {
  return [
    ...[g.batch, ...g.input, g.inChannels, ...g.output, g.outChannels],
    ...[...g.kernel, ...g.strides, ...g.pad, ...g.dilation],
  ];
}

/** The convolution that computes dx from dy: the full correlation with the flipped filter. Only for strides of 1. */
export function inputGradGeometry(g: ConvGeometry): ConvGeometry {
  const pad = (axis: 0 | 1) => (g.kernel[axis] - 1) * g.dilation[axis] - g.pad[axis];
  return {
    ...g,
    input: g.output,
    inChannels: g.outChannels,
    output: g.input,
    outChannels: g.inChannels,
    pad: [pad(0), pad(1)],
    gradientOf: g,
  };
}
