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

/** Per channel, of a batch or running. */
export interface Statistics {
  /** [C], or [2, C]: the mean and what rounding took of it, because far from 0 no f32 is near enough to it. */
  mean: DeviceArray;
  variance: DeviceArray;
}

// Statistics and the sums of the gradient are reductions over rows: by an invocation a channel (or a vector of channels) and slice
// of rows, or by a workgroup for up to 32 channels and a slice. There is no variant for subgroups: their eight lanes would lie
// across channels, where each has a sum of its own. What scales and shifts reduces nothing.

/** Elements an invocation handles of those that reduce nothing: many, where that leaves enough workgroups. */
const [MANY, FEW] = [16, 4];
const ENOUGH_WORKGROUPS = 16;

/** Implementations of the reductions, the reference first. */
export const batchNormVariants = ['naive', 'workgroup'] as const;
export type BatchNormVariant = (typeof batchNormVariants)[number];

export const batchNormShaders: readonly string[] = [
  ...[momentsCode, combineCode, gradSumsCode, momentsCooperativeCode, gradSumsCooperativeCode],
  ...[longSumCode, ...cooperativeShaders],
];

/** Activations that may follow in the same store. Their gradient needs no output: what is normalised is computed again from x. */
export const normActivations = ['relu', 'relu6'] as const;
export type NormActivation = (typeof normActivations)[number];

/** Where the output does not follow what is normalised, as in the table of pointwise operators: NaN stays, and passes a gradient. */
const ABOVE = { relu: 'Truth()', relu6: '(!is_nan(v) & (v >= Value(6.0)))' };

/**
 * What kernels of batch normalisation call: `activate`, `activation_gradient`, the gradient below the activation, and `affine_of`, by which what is
 * normalised is computed again. Unlike the other two it binds scale and offset, at 7 and 8, and only where there is an activation.
 */
function withActivation(kernel: KernelSource, activation: NormActivation | null, line = false): KernelSource {
  const source = withFloatBits(kernel, 'Value');
  const affineType = 'struct Affine { factor: Value, shift: Value }\n';
  if (!activation) {
    const code = `const ACTIVATED = false;
fn activate(v: Value) -> Value { return v; }
fn activation_gradient(v: Value, gradient: Value) -> Value { return gradient; }
`;
    const none = 'fn affine_of(c: u32, deviation: Value, rest: Value) -> Affine { return Affine(); }\n';
    return { ...source, code: source.code + code + (line ? affineType + none : '') };
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
    code: source.code + code + (line ? affineType + affineCode : ''),
  };
}

/** Up to this many rows are one slice; above, slices of about the square root keep both passes short. */
const ONE_SLICE = 64;
/** Slices whose results one invocation combines. */
const MAX_COMBINED_SLICES = 32;

/** x seen as [rows, channels]. */
function columns(x: DeviceArray) {
  const channels = x.shape.at(-1)!;
  const rows = channels === 0 ? 0 : x.size / channels;
  return { rows, channels, vectorWidth: vectorWidthFor(channels) };
}

/** The parts of a mean: see `Statistics`. */
const meanParts = ({ mean }: Statistics, channels: number) => mean.size / channels;

/** A kernel by a workgroup for `width` channels and a slice of rows. */
const cooperativeReduction = (name: string, code: string, sliceLength: number, width: number) =>
  withLongSums(
    cooperativeSource('workgroup', name, vectorized(name, code, 1).code),
    (sliceLength * width) / cooperativeSize('workgroup'),
  );

/** How a variant reduces [rows, channels]: its slices of rows, which depend on the shape of one replica alone. */
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
 * Mean and biased variance of each channel of x [...,C], in two passes: of slices, then of all. Where running statistics are
 * given, they take in these: running = momentum * running + (1 - momentum) * batch, in place. Memory-bound.
 * @param options.variance where the variance goes
 * @throws ShapeError where there is nothing to take the mean of
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
    const kept = running ?? { mean: array([channels]), variance: array([channels]), momentum: 1 }; // to stay untouched
    runKernel(
      x.device,
      withLongSums(vectorized('batch_norm_combine', combineCode, vectorWidth), slices),
      [rows, channels / vectorWidth, sliceLength, slices, f32Bits(1 - kept.momentum)],
      [x, partMean, partSquare, batch.mean, batch.variance, kept.mean, kept.variance],
      elementwiseWorkgroups(channels / vectorWidth, x.replicas),
      { bytes: 4 * x.replicas * channels * (2 * slices + 8) }, // of x one row
    );
    for (const scratch of [partMean, partSquare, ...(running ? [] : [kept.mean, kept.variance])]) scratch.dispose();
    return batch;
  });
}

/**
 * Workgroups of the kernels whose invocations go on in steps of whole rows: enough for each channel, and where there is much to do,
 * with so many elements each that reading a channel's statistics does not count.
 */
function workgroupsByRows(size: number, channels: number, replicas: number): Workgroups {
  const each = size >= 64 * MANY * ENOUGH_WORKGROUPS ? MANY : FEW;
  return [Math.min(Math.max(Math.ceil(size / (64 * each)), Math.ceil(channels / 64)), 65535), 1, replicas];
}

/** Normalises, scales and shifts each channel of x [...,C], with an activation where one follows, in one kernel. Memory-bound. */
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

/** An activation behind a batch normalisation, and what computes its input again. */
export interface FollowingActivation {
  activation: NormActivation;
  scale: DeviceArray;
  offset: DeviceArray;
}

/** Gradients for scale and offset, each [C]; `following` if dy is that of an activation's output. Memory-bound. */
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
    const whole = slices === 1; // then the sums are the gradients
    const [dscale, doffset] = [options.dscale, options.doffset].map((home) =>
      output(x.device, [channels], x.replicas, home),
    );
    const part = (total: DeviceArray) =>
      whole ? total : DeviceArray.empty(x.device, [slices, channels], { replicas: x.replicas });
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
    if (!whole) {
      sumRows(partDy, channels, { into: doffset });
      sumRows(partDot, channels, { into: dscale });
      partDy.dispose();
      partDot.dispose();
    }
    return { dscale: dscale!, doffset: doffset! };
  });
}

/**
 * Gradient for x [...,C]; through the batch's statistics when `sums` (the gradients of scale and offset) are given. With an activation
 * dy is that of its output. With `inputIsRelu` x was the output of a ReLU, and dx is the gradient before that ReLU. Memory-bound.
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
  const [doffset, dscale] = sums ? [sums.doffset, sums.dscale] : [mean, mean]; // not read then
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
