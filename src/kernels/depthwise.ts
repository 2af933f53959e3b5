import depthwiseCode from '../../shaders/depthwise_conv2d.wgsl';
import inputGradCode from '../../shaders/depthwise_conv2d_input_grad.wgsl';
import weightGradCode from '../../shaders/depthwise_conv2d_weight_grad.wgsl';
import { ShapeError } from '../errors.ts';
import { DeviceArray, sameShape, showShape, sizeOf } from './array.ts';
import { type ConvGeometry, type ConvOptions, inputShape, outputShape } from './conv-geometry.ts';
import { LONGEST, withLongSums } from './long-sums.ts';
import { sumRows } from './reduce.ts';
import { checkDType, checkRank, commonModels, elementwise, laned, output, runKernel } from './run.ts';
import { pair, slide } from './window.ts';

/** All sizes of a depthwise convolution; `outChannels` is `inChannels * multiplier`. */
export interface DepthwiseGeometry extends ConvGeometry {
  multiplier: number;
}

const OPERATOR = 'depthwiseConv2d';

/** @throws ShapeError, ArgumentError with the shapes of input and filter. */
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
  const strides = pair(OPERATOR, 'strides', options.strides ?? 1);
  const dilation = pair(OPERATOR, 'dilation', options.dilation ?? 1);
  const { size, pad } = slide(OPERATOR, [h, w], [kh, kw], strides, dilation, options.padding ?? 'valid', shapes);
  const outChannels = inChannels * multiplier;
  const kernel: [number, number] = [kh, kw];
  return { batch, input: [h, w], inChannels, output: size, outChannels, kernel, strides, pad, dilation, multiplier };
}

/**
 * Channels an invocation handles. With one filter a channel, channels do not mix: four neighbours are one vec4f, and the
 * kernels need a quarter of the loads.
 */
const lanesOf = (g: DepthwiseGeometry): 1 | 4 => (g.multiplier === 1 && g.inChannels % 4 === 0 ? 4 : 1);

/** For sums of so many terms. */
const kernel = (name: string, code: string, g: DepthwiseGeometry, terms: number) =>
  withLongSums(laned(name, code, lanesOf(g)), terms, LONGEST);

/** Floating-point operations of any of the three kernels, 2 N OH OW C M KH KW a model. */
const workOf = (g: DepthwiseGeometry, models: number) => ({
  flops: 2 * models * sizeOf(outputShape(g)) * g.kernel[0] * g.kernel[1],
});

/** In the order of the shaders' `Params`. */
function geometryParams(g: DepthwiseGeometry): number[] {
  const lanes = lanesOf(g);
  return [
    ...[g.batch, ...g.input, g.inChannels / lanes, ...g.output, g.outChannels / lanes],
    ...[...g.kernel, ...g.strides, ...g.pad, ...g.dilation, g.multiplier],
  ];
}

/**
 * Depthwise convolution: every channel by filters of its own, bias fused into the store. Memory-bound.
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
): DeviceArray {
  if (bias) checkDType(OPERATOR, 'the bias', bias, 'f32');
  const models = commonModels(OPERATOR, [x, filter, bias]);
  if (bias && !sameShape(bias.shape, [g.outChannels])) {
    const shapes = `input ${showShape(x.shape)}, filter ${showShape(filter.shape)}`;
    throw new ShapeError(
      `${OPERATOR}: the bias must have shape [${g.outChannels}], but has ${showShape(bias.shape)} (${shapes})`,
    );
  }
  const y = output(x.device, outputShape(g), models);
  const source = kernel('depthwise_conv2d', depthwiseCode, g, g.kernel[0] * g.kernel[1]);
  const params = [...geometryParams(g), bias ? 1 : 0];
  const workgroups = elementwise(y.size / lanesOf(g), models);
  runKernel(x.device, source, params, [x, filter, bias ?? filter, y], workgroups, workOf(g, models));
  return y;
}

/** Gradient for the input: dy [N,OH,OW,C*M], filter [KH,KW,C,M] -> dx [N,H,W,C]. Memory-bound. */
export function depthwiseInputGrad(
  dy: DeviceArray,
  filter: DeviceArray,
  g: DepthwiseGeometry,
  into?: DeviceArray,
): DeviceArray {
  const dx = output(dy.device, inputShape(g), dy.models, into);
  const source = kernel('depthwise_conv2d_input_grad', inputGradCode, g, g.kernel[0] * g.kernel[1] * g.multiplier);
  const workgroups = elementwise(dx.size / lanesOf(g), dx.models);
  runKernel(dy.device, source, geometryParams(g), [dy, filter, dx], workgroups, workOf(g, dx.models));
  return dx;
}

/** Of filters whose partial sums, one for 512 pixels, are an eighth of dy at most. */
const MOST_TAPS = LONGEST / 8;

/**
 * Gradient for the filter: x [N,H,W,C], dy [N,OH,OW,C*M] -> dw [KH,KW,C,M]. A filter is small and the sum behind each of its
 * elements long, so it takes two passes: slices of output rows side by side, then their sum. Memory-bound.
 */
export function depthwiseWeightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: DepthwiseGeometry,
  into?: DeviceArray,
): DeviceArray {
  const shape = [...g.kernel, g.inChannels, g.multiplier];
  const dw = output(x.device, shape, x.models, into);
  const rows = g.batch * g.output[0];
  // So short that the first pass needs one level (two take up to 1.7 times as long on lavapipe), unless the filter is so large that
  // many of it would be more than dy.
  const short = g.kernel[0] * g.kernel[1] <= MOST_TAPS ? Math.floor(LONGEST / g.output[1]) : rows;
  const slice = Math.max(1, Math.min(Math.ceil(Math.sqrt(rows)), short));
  const slices = Math.max(1, Math.ceil(rows / slice)); // one even of nothing: a sum over nothing is 0
  const part = DeviceArray.empty(x.device, [slices, dw.size], { models: x.models });
  const source = kernel('depthwise_conv2d_weight_grad', weightGradCode, g, slice * g.output[1]);
  const params = [...geometryParams(g), slice, slices];
  const workgroups = elementwise(part.size / lanesOf(g), part.models);
  runKernel(x.device, source, params, [x, dy, part], workgroups, workOf(g, x.models));
  const flat = dw.reshaped([dw.size]);
  sumRows(part, dw.size, { into: flat });
  flat.dispose();
  part.dispose();
  return dw;
}
