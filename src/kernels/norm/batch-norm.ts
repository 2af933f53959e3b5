import normCode from '../../../shaders/norm/batch_norm.wgsl';
import coefficientsCode from '../../../shaders/norm/batch_norm_coefficients.wgsl';
import combineCode from '../../../shaders/norm/batch_norm_combine.wgsl';
import gradCode from '../../../shaders/norm/batch_norm_grad.wgsl';
import gradSumsCode from '../../../shaders/norm/batch_norm_grad_sums.wgsl';
import gradSumsCooperativeCode from '../../../shaders/norm/batch_norm_grad_sums_cooperative.wgsl';
import momentsCode from '../../../shaders/norm/batch_norm_moments.wgsl';
import momentsCooperativeCode from '../../../shaders/norm/batch_norm_moments_cooperative.wgsl';
import { ShapeError } from '../../base/errors.ts';
import type { Device, Workgroups } from '../../gpu/device.ts';
import type { KernelSource } from '../../gpu/pipelines.ts';
import { DeviceArray, sameShape, showShape } from '../array.ts';
import { withVariant } from '../choice.ts';
import {
  cooperativeGroupsForColumns,
  cooperativeShaders,
  cooperativeSize,
  cooperativeSource,
  cooperativeWorkgroups,
  planWorkgroupSlices,
} from '../cooperative.ts';
import { withFloatBits } from '../float-bits.ts';
import { longSumCode, withLongSums } from '../reduce/long-sums.ts';
import { sumRows } from '../reduce/reduce.ts';
import {
  checkDType,
  commonReplicas,
  elementwiseWorkgroups,
  f32Bits,
  output,
  runKernel,
  vectorized,
  vectorWidthFor,
} from '../run.ts';

/** Statistics of each channel, of a batch or running. */
export interface Statistics {
  /** [C], or [2, C]: the mean and its rounding error, because far from 0 one f32 is not accurate enough. */
  mean: DeviceArray;
  variance: DeviceArray;
}

// Statistics and the sums of the gradient are reductions over rows: an invocation for each channel (or vector of channels) and slice of
// rows, or a workgroup for up to 32 channels and a slice. There is no variant for subgroups, because their eight lanes would hold
// neighboring channels, each with a separate sum. The kernels that scale and shift reduce nothing.

/** Elements per invocation of kernels that reduce nothing: many, if enough workgroups remain. */
const MAX_ELEMENTS = 16;
const MIN_ELEMENTS = 4;
const ENOUGH_WORKGROUPS = 16;

/** Implementations of the reductions, the reference first. */
export const batchNormVariants = ['naive', 'workgroup'] as const;
export type BatchNormVariant = (typeof batchNormVariants)[number];

export const batchNormShaders: readonly string[] = [
  ...[momentsCode, combineCode, gradSumsCode, momentsCooperativeCode, gradSumsCooperativeCode],
  ...[longSumCode, ...cooperativeShaders],
];

/** Activations that can be fused into the store. Their gradient computes the normalized value again from x. */
export const normActivations = ['relu', 'relu6'] as const;
export type NormActivation = (typeof normActivations)[number];

/** Condition under which the activation clips from above, as in the table of pointwise operators: NaN stays and passes a gradient. */
const ABOVE = { relu: 'Truth()', relu6: '(!is_nan(v) & (v >= Value(6.0)))' };

/**
 * Adds the functions that kernels of batch normalization call: `activate`; `activation_gradient`, the gradient before the activation; and
 * if `affine`, `affine_of`, which gives factor and shift of the normalization. With an activation, `affine_of` binds scale and offset at 7 and 8.
 */
function withActivation(kernel: KernelSource, activation: NormActivation | null, affine = false): KernelSource {
  const source = withFloatBits(kernel, 'Value');
  const affineType = 'struct Affine { factor: Value, shift: Value }\n';
  if (!activation) {
    const code = `const ACTIVATED = false;
fn activate(v: Value) -> Value { return v; }
fn activation_gradient(v: Value, gradient: Value) -> Value { return gradient; }
`;
    const none = 'fn affine_of(c: u32, deviation: Value, rest: Value) -> Affine { return Affine(); }\n';
    return { ...source, code: source.code + code + (affine ? affineType + none : '') };
  }
  const code = `const ACTIVATED = true;
fn activate(v: Value) -> Value { return select(select(v, Value(6.0), ${ABOVE[activation]}), Value(), is_at_most_zero(v)); }
fn activation_gradient(v: Value, gradient: Value) -> Value { return select(gradient, Value(), is_at_most_zero(v) | ${ABOVE[activation]}); }
`;
  const affineCode = `@group(0) @binding(7) var<storage, read> scale: array<Value>;
@group(0) @binding(8) var<storage, read> offset: array<Value>;
fn affine_of(c: u32, deviation: Value, rest: Value) -> Affine {
  let factor = scale[c] / deviation;
  return Affine(factor, offset[c] - factor * rest);
}
`;
  return {
    ...source,
    name: `${source.name}_${activation}`,
    code: source.code + code + (affine ? affineType + affineCode : ''),
  };
}

/** Most rows of a single slice. With more, slices of about the square root keep both passes short. */
const ONE_SLICE = 64;
/** Most slices whose results one invocation combines. */
const MAX_COMBINED_SLICES = 32;

/** Sizes of x as [rows, channels]. */
function columns(x: DeviceArray) {
  const channels = x.shape.at(-1)!;
  const rows = channels === 0 ? 0 : x.size / channels;
  return { rows, channels, vectorWidth: vectorWidthFor(channels) };
}

/** Rows of a mean, 1 or 2: see `Statistics`. */
const meanParts = ({ mean }: Statistics, channels: number) => mean.size / channels;

/** A kernel with a workgroup for `width` channels and a slice of rows. */
const cooperativeReduction = (name: string, code: string, sliceLength: number, width: number) =>
  withLongSums(
    cooperativeSource('workgroup', name, vectorized(name, code, 1).code),
    (sliceLength * width) / cooperativeSize('workgroup'),
  );

/** The slices of rows by which a variant reduces [rows, channels]. They depend on the shape of one replica alone. */
function planSlices(
  variant: BatchNormVariant,
  operator: Operator,
  { rows, channels }: { rows: number; channels: number },
) {
  if (variant === 'workgroup') {
    const most = operator === 'batchNormMoments' ? MAX_COMBINED_SLICES : undefined;
    return { variant, ...planWorkgroupSlices({ outer: 1, rows, channels }, most) };
  }
  const sliceLength = rows <= ONE_SLICE ? Math.max(1, rows) : Math.ceil(Math.sqrt(rows));
  return { variant, width: 1, sliceLength, slices: Math.max(1, Math.ceil(rows / sliceLength)) };
}

type Operator = 'batchNormMoments' | 'batchNormGradSums';

/** Runs `body` with the variant of a reduction of [rows, channels], and its slices. */
function withSelectedVariant<T>(
  device: Device,
  operator: Operator,
  sizes: { rows: number; channels: number },
  requested: BatchNormVariant | undefined,
  body: (chosen: ReturnType<typeof planSlices>) => T,
): T {
  const { rows, channels } = sizes;
  const workgroup = cooperativeGroupsForColumns(device, rows, channels).includes('workgroup') && rows > ONE_SLICE;
  const options = {
    variants: batchNormVariants,
    preferred: workgroup ? (['workgroup'] as const) : [],
    supports: (candidate: BatchNormVariant) => candidate === 'naive' || rows * channels > 0,
    requested,
  };
  return withVariant<BatchNormVariant, T>(device, operator, sizes, options, (variant) =>
    body(planSlices(variant, operator, sizes)),
  );
}

/** @throws ShapeError, ArgumentError unless x is f32 [...,C] and all of `perChannel` are f32 [C]. */
export function checkBatchNorm(operator: string, x: DeviceArray, perChannel: Record<string, DeviceArray>): void {
  checkDType(operator, 'the input', x, 'f32');
  const channels = x.shape.at(-1);
  if (channels === undefined) throw new ShapeError(`${operator}: the input must have channels, but has shape []`);
  for (const [subject, array] of Object.entries(perChannel)) {
    checkDType(operator, subject, array, 'f32');
    if (!sameShape(array.shape, [channels])) {
      throw new ShapeError(
        `${operator}: ${subject} must have shape [${channels}], but has ${showShape(array.shape)} (input ${showShape(x.shape)})`,
      );
    }
  }
  commonReplicas(operator, [x, ...Object.values(perChannel)]);
}

/**
 * Mean and biased variance of each channel of x [...,C], in two passes: of slices, then of all. Running statistics, if given, are updated
 * in place: running = momentum * running + (1 - momentum) * batch. Memory-bound.
 * @param options.variance f32 [C], receives the variance; default a new array
 * @throws ShapeError if the batch is empty
 */
export function batchStatistics(
  operator: string,
  x: DeviceArray,
  running: (Statistics & { momentum: number }) | null,
  options: { variance?: DeviceArray; variant?: BatchNormVariant } = {},
): Statistics {
  const { rows, channels, vectorWidth } = columns(x);
  if (rows === 0 && channels > 0) {
    throw new ShapeError(`${operator}: an empty batch has no mean (input ${showShape(x.shape)})`);
  }
  return withSelectedVariant(x.device, 'batchNormMoments', { rows, channels }, options.variant, (chosen) => {
    const { variant, width, sliceLength, slices } = chosen;
    const array = (shape: number[]) => DeviceArray.empty(x.device, shape, { replicas: x.replicas });
    const [partMean, partSquare] = [array([slices, channels]), array([slices, channels])];
    const bindings = [x, partMean, partSquare];
    if (variant === 'naive') {
      const moments = vectorized('batch_norm_moments', momentsCode, vectorWidth);
      const params = [rows, channels / vectorWidth, sliceLength, slices];
      runKernel(x.device, moments, params, bindings, elementwiseWorkgroups(partMean.size / vectorWidth, x.replicas));
    } else {
      const moments = cooperativeReduction(
        'batch_norm_moments_cooperative',
        momentsCooperativeCode,
        sliceLength,
        width,
      );
      const groups = cooperativeWorkgroups(variant, slices * Math.ceil(channels / width), x.replicas);
      runKernel(x.device, moments, [rows, channels, sliceLength, slices, width], bindings, groups);
    }
    const variance = output(x.device, [channels], x.replicas, options.variance);
    const batch = { mean: array([2, channels]), variance };
    const target = running ?? { mean: array([channels]), variance: array([channels]), momentum: 1 }; // momentum 1 leaves them unchanged
    runKernel(
      x.device,
      withLongSums(vectorized('batch_norm_combine', combineCode, vectorWidth), slices),
      [rows, channels / vectorWidth, sliceLength, slices, f32Bits(1 - target.momentum)],
      [x, partMean, partSquare, batch.mean, batch.variance, target.mean, target.variance],
      elementwiseWorkgroups(channels / vectorWidth, x.replicas),
      { bytes: 4 * x.replicas * channels * (2 * slices + 8) }, // reads one row of x
    );
    for (const scratch of [partMean, partSquare, ...(running ? [] : [target.mean, target.variance])]) scratch.dispose();
    return batch;
  });
}

/**
 * Workgroups of kernels whose invocations step by whole rows, so that each stays on its channel. There are enough for all channels; with
 * many elements, each invocation handles so many that the time to read a channel's statistics is negligible.
 */
function workgroupsByRows(size: number, channels: number, replicas: number): Workgroups {
  const elements = size >= 64 * MAX_ELEMENTS * ENOUGH_WORKGROUPS ? MAX_ELEMENTS : MIN_ELEMENTS;
  return [Math.min(Math.max(Math.ceil(size / (64 * elements)), Math.ceil(channels / 64)), 65535), 1, replicas];
}

/** Normalizes, scales and shifts each channel of x [...,C], with an optional activation, in one kernel. Memory-bound. */
export function batchNorm(
  x: DeviceArray,
  scale: DeviceArray,
  offset: DeviceArray,
  statistics: Statistics,
  epsilon: number,
  activation: NormActivation | null = null,
): DeviceArray {
  const y = output(x.device, x.shape, x.replicas);
  const { channels, vectorWidth } = columns(x);
  const source = withActivation(vectorized('batch_norm', normCode, vectorWidth), activation);
  const params = [x.size / vectorWidth, channels / vectorWidth, f32Bits(epsilon), meanParts(statistics, channels)];
  const bindings = [x, scale, offset, statistics.mean, statistics.variance, y];
  runKernel(
    x.device,
    source,
    params,
    bindings,
    workgroupsByRows(x.size / vectorWidth, channels / vectorWidth, x.replicas),
  );
  return y;
}

/** An activation after a batch normalization, with the arrays by which its input is computed again. */
export interface FollowingActivation {
  activation: NormActivation;
  scale: DeviceArray;
  offset: DeviceArray;
}

/** Gradients for scale and offset, each [C]. @param options.following the activation, if dy is the gradient of its output */
export function batchNormParameterGrads(
  x: DeviceArray,
  dy: DeviceArray,
  statistics: Statistics,
  epsilon: number,
  options: {
    dscale?: DeviceArray;
    doffset?: DeviceArray;
    variant?: BatchNormVariant;
    following?: FollowingActivation | null;
  } = {},
): { dscale: DeviceArray; doffset: DeviceArray } {
  const { rows, channels, vectorWidth } = columns(x);
  return withSelectedVariant(x.device, 'batchNormGradSums', { rows, channels }, options.variant, (chosen) => {
    const { variant, width, sliceLength, slices } = chosen;
    const isSingleSlice = slices === 1; // then the sums are the gradients
    const [dscale, doffset] = [options.dscale, options.doffset].map((into) =>
      output(x.device, [channels], x.replicas, into),
    );
    const part = (total: DeviceArray) =>
      isSingleSlice ? total : DeviceArray.empty(x.device, [slices, channels], { replicas: x.replicas });
    const [partDy, partDot] = [part(doffset!), part(dscale!)];
    const { following } = options;
    const activating = (source: KernelSource) => withActivation(source, following?.activation ?? null, true);
    const line = following ? [following.scale, following.offset] : [];
    const bindings = [x, dy, statistics.mean, statistics.variance, partDy, partDot, ...line];
    const parts = meanParts(statistics, channels);
    if (variant === 'naive') {
      const source = activating(vectorized('batch_norm_grad_sums', gradSumsCode, vectorWidth));
      const params = [rows, channels / vectorWidth, sliceLength, slices, f32Bits(epsilon), parts];
      runKernel(
        x.device,
        source,
        params,
        bindings,
        elementwiseWorkgroups((slices * channels) / vectorWidth, x.replicas),
      );
    } else {
      const source = activating(
        cooperativeReduction('batch_norm_grad_sums_cooperative', gradSumsCooperativeCode, sliceLength, width),
      );
      const groups = cooperativeWorkgroups(variant, slices * Math.ceil(channels / width), x.replicas);
      runKernel(
        x.device,
        source,
        [rows, channels, sliceLength, slices, f32Bits(epsilon), parts, width],
        bindings,
        groups,
      );
    }
    if (!isSingleSlice) {
      sumRows(partDy, channels, { into: doffset });
      sumRows(partDot, channels, { into: dscale });
      partDy.dispose();
      partDot.dispose();
    }
    return { dscale: dscale!, doffset: doffset! };
  });
}

/**
 * Gradient for x [...,C]. Memory-bound.
 * @param sums gradients of scale and offset; if given, the gradient includes the path through the statistics of the batch
 * @param options.activation  the activation, if dy is the gradient of its output
 * @param options.inputIsRelu whether x is the output of a ReLU; then dx is the gradient before that ReLU
 */
export function batchNormInputGrad(
  x: DeviceArray,
  dy: DeviceArray,
  { scale, offset }: { scale: DeviceArray; offset: DeviceArray },
  statistics: Statistics,
  epsilon: number,
  sums: { dscale: DeviceArray; doffset: DeviceArray } | null,
  options: { into?: DeviceArray; inputIsRelu?: boolean; activation?: NormActivation | null } = {},
): DeviceArray {
  const { into, inputIsRelu = false, activation = null } = options;
  const { rows, channels, vectorWidth } = columns(x);
  const dx = output(x.device, x.shape, x.replicas, into);
  const { mean, variance } = statistics;
  const [doffset, dscale] = sums ? [sums.doffset, sums.dscale] : [mean, mean]; // bound but not read
  const coefficients = DeviceArray.empty(x.device, [5, channels], { replicas: x.replicas });
  runKernel(
    x.device,
    vectorized('batch_norm_coefficients', coefficientsCode, vectorWidth),
    [channels / vectorWidth, f32Bits(epsilon), f32Bits(1 / rows), sums ? 1 : 0, meanParts(statistics, channels)],
    [scale, offset, mean, variance, doffset, dscale, coefficients],
    elementwiseWorkgroups(channels / vectorWidth, x.replicas),
  );
  const source = withActivation(vectorized('batch_norm_grad', gradCode, vectorWidth), activation);
  const params = [x.size / vectorWidth, channels / vectorWidth, sums ? 1 : 0, inputIsRelu ? 1 : 0];
  runKernel(
    x.device,
    source,
    params,
    [x, dy, coefficients, dx],
    workgroupsByRows(x.size / vectorWidth, channels / vectorWidth, x.replicas),
  );
  coefficients.dispose();
  return dx;
}
