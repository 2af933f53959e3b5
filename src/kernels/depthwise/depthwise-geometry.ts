import { ShapeError } from '../../base/errors.ts';
import type { ProblemSizes } from '../../gpu/kernel-selection.ts';
import { type DeviceArray, showShape, sizeOf } from '../array.ts';
import { type ConvGeometry, type ConvOptions, outputShape } from '../conv2d/conv-geometry.ts';
import { geometryOf, sizesOf } from '../conv2d/conv-sizes.ts';
import { checkDType, checkRank } from '../run.ts';
import { checkPair, slideWindow } from '../window.ts';

/** All sizes of a depthwise convolution; `outChannels` is `inChannels * multiplier`. */
export interface DepthwiseGeometry extends ConvGeometry {
  multiplier: number;
}

export const OPERATOR = 'depthwiseConv2d';

/** Checks input and filter. @throws ShapeError, ArgumentError that show their shapes */
export function depthwiseGeometry(x: DeviceArray, filter: DeviceArray, options: ConvOptions = {}): DepthwiseGeometry {
  checkDType(OPERATOR, 'the input', x, 'f32');
  checkDType(OPERATOR, 'the filter', filter, 'f32');
  checkRank(OPERATOR, 'the input', x, 4, 'batch, height, width, channels');
  checkRank(OPERATOR, 'the filter', filter, 4, 'height, width, channels, depth multiplier');
  const [batch, h, w, inChannels] = x.shape as [number, number, number, number];
  const [kh, kw, filterIn, multiplier] = filter.shape as [number, number, number, number];
  const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
  if (inChannels !== filterIn) {
    throw new ShapeError(
      `${OPERATOR}: input has ${inChannels} channels but the filter expects ${filterIn} (${shapes})`,
    );
  }
  const strides = checkPair(OPERATOR, 'strides', options.strides ?? 1);
  const dilation = checkPair(OPERATOR, 'dilation', options.dilation ?? 1);
  const { size, pad } = slideWindow(OPERATOR, [h, w], [kh, kw], strides, dilation, options.padding ?? 'valid', shapes);
  const outChannels = inChannels * multiplier;
  const kernel: [number, number] = [kh, kw];
  return { batch, input: [h, w], inChannels, output: size, outChannels, kernel, strides, pad, dilation, multiplier };
}

/** Floating-point operations of each of the three kernels: 2 N OH OW C M KH KW for each replica; taps on padding count. */
export const depthwiseFlops = (g: DepthwiseGeometry, replicas: number): number =>
  2 * replicas * sizeOf(outputShape(g)) * g.kernel[0] * g.kernel[1];

/** The sizes by which the kernels are chosen. */
export const depthwiseSizes = (g: DepthwiseGeometry): ProblemSizes => ({ ...sizesOf(g), multiplier: g.multiplier });

/** The inverse of `depthwiseSizes`. */
export const depthwiseGeometryOf = (sizes: ProblemSizes): DepthwiseGeometry => ({
  ...geometryOf(sizes),
  multiplier: sizes.multiplier ?? 0,
});
