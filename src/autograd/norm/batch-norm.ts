import { checkF32, checkOptions, formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import * as kernels from '../../kernels/norm/batch-norm.ts';
import type { Backward, GradRequest } from '../node.ts';
import { recordOperator } from '../record-operator.ts';
import { isRepeated } from '../tape.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/** Options of `batchNorm` and, without `momentum` and `running`, of `batchNormInference`. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-3 as in Keras; PyTorch has 1e-5. */
  epsilon?: number;
  /** Share of the old running statistics. Default 0.99 as in Keras; PyTorch's momentum is the share of the new ones, 0.1. */
  momentum?: number;
  /** Running statistics [C] to update in place, without gradient. Default none. */
  running?: {
    /** Running mean, f32 [C]. */
    mean: Tensor;
    /** Running variance (biased, as in Keras), f32 [C]. */
    variance: Tensor;
  };
  /** Activation applied to the result before it is stored. Default none. */
  activation?: kernels.NormActivation;
}

/** @throws ArgumentError unless `value` lies in low .. high */
function inRange(operator: string, argument: string, value: number, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    throw new ArgumentError(
      `${operator}: ${argument} must be a number from ${low} to ${high}, but is ${formatValue(value)}`,
    );
  }
  return checkF32(`${operator}: ${argument}`, value);
}

/** @throws ArgumentError for an activation that these operators do not support */
function activationOf(operator: string, activation: kernels.NormActivation | undefined): kernels.NormActivation | null {
  if (activation === undefined) return null;
  if (kernels.normActivations.includes(activation)) return activation;
  const all = kernels.normActivations.join(', ');
  throw new ArgumentError(
    `${operator}: activation must be left out or one of ${all}, but is ${formatValue(activation)}`,
  );
}

/** Inputs of both operators, which their backward passes share. */
interface NormalizationCall {
  x: Tensor;
  scale: DeviceArray;
  offset: DeviceArray;
  statistics: kernels.Statistics;
  epsilon: number;
  activation: kernels.NormActivation | null;
}

function forward({ x, scale, offset, statistics, epsilon, activation }: NormalizationCall): DeviceArray {
  return kernels.batchNorm(x.array, scale, offset, statistics, epsilon, activation);
}

function parameterGrads(
  { x, scale, offset, statistics, epsilon, activation }: NormalizationCall,
  dy: DeviceArray,
  { into }: GradRequest,
): { dscale: DeviceArray; doffset: DeviceArray } {
  const following = activation && { activation, scale, offset };
  return kernels.batchNormParameterGrads(x.array, dy, statistics, epsilon, {
    dscale: into(1),
    doffset: into(2),
    following,
  });
}

/** Gradient of x; if x is the output of a ReLU, the gradient before that ReLU. */
function inputGrad(
  { x, statistics, epsilon, activation, ...line }: NormalizationCall,
  dy: DeviceArray,
  sums: { dscale: DeviceArray; doffset: DeviceArray } | null,
  { into }: GradRequest,
): DeviceArray {
  const options = { into: into(0), inputIsRelu: x.isReluOutput, activation };
  const dx = kernels.batchNormInputGrad(x.array, dy, line, statistics, epsilon, sums, options);
  if (x.isReluOutput) dx.appliedReluMask = x.array;
  return dx;
}

/**
 * Batch normalization as in training: each channel by its mean and variance over this batch, all axes but the last.
 * x [...,C], scale [C], offset [C] -> [...,C].
 *
 *     z = (x - mean) / sqrt(variance + epsilon)      y = scale z + offset, or act(scale z + offset)
 *     doffset = sum of dy      dscale = sum of dy z      (over the n rows; with an activation dy stands for dy act')
 *     dx = scale / sqrt(variance + epsilon) (dy - doffset / n - z dscale / n)
 *
 * With `running`, `running = momentum running + (1 - momentum) batch` is computed on the GPU. As in Keras, the batch's variance
 * is the biased one (divided by n); PyTorch uses the unbiased one (divided by n - 1).
 * @throws ShapeError also for an empty batch, ArgumentError
 */
export function batchNorm(x: Tensor, scale: Tensor, offset: Tensor, options: BatchNormOptions = {}): Tensor {
  const operator = 'batchNorm';
  checkOptions(operator, options, { epsilon: true, momentum: true, running: true, activation: true });
  const running = tryRead(operator, () => {
    const { mean, variance } = options.running ?? {};
    return options.running && { mean, variance };
  }) as BatchNormOptions['running'];
  const epsilon = inRange(operator, 'epsilon', options.epsilon ?? 1e-3, 0, 1e30);
  const momentum = inRange(operator, 'momentum', options.momentum ?? 0.99, 0, 1);
  const activation = activationOf(operator, options.activation);
  const input = arrayOf(operator, 'the input', x);
  const factor = arrayOf(operator, 'the scale', scale);
  const shift = arrayOf(operator, 'the offset', offset);
  const kept = running && {
    mean: arrayOf(operator, 'the running mean', running.mean),
    variance: arrayOf(operator, 'the running variance', running.variance),
  };
  kernels.checkBatchNorm(operator, input, {
    'the scale': factor,
    'the offset': shift,
    ...(kept && { 'the running mean': kept.mean, 'the running variance': kept.variance }),
  });
  const batch = kernels.batchStatistics(operator, input, kept && !isRepeated() ? { ...kept, momentum } : null);
  const call = { x, scale: factor, offset: shift, statistics: batch, epsilon, activation };
  const backward: Backward = (dy, request) => {
    const sums = parameterGrads(call, dy, request);
    return [request.needsGrad(0) ? inputGrad(call, dy, sums, request) : null, sums.dscale, sums.doffset];
  };
  const y = recordOperator(forward(call), [x, scale, offset], backward, { saved: [batch.mean, batch.variance] });
  y.isReluOutput = activation === 'relu';
  return y;
}

/**
 * Batch normalization as in inference: with given statistics, which are constants without gradient.
 * x [...,C], scale, offset, mean and variance [C] -> [...,C].
 *
 *     z = (x - mean) / sqrt(variance + epsilon)      y = scale z + offset
 *     dx = scale / sqrt(variance + epsilon) dy      dscale = sum of dy z      doffset = sum of dy
 * @throws ShapeError, ArgumentError
 */
export function batchNormInference(
  x: Tensor,
  scale: Tensor,
  offset: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: Pick<BatchNormOptions, 'epsilon' | 'activation'> = {},
): Tensor {
  const operator = 'batchNormInference';
  checkOptions(operator, options, { epsilon: true, activation: true });
  const epsilon = inRange(operator, 'epsilon', options.epsilon ?? 1e-3, 0, 1e30);
  const activation = activationOf(operator, options.activation);
  const input = arrayOf(operator, 'the input', x);
  const factor = arrayOf(operator, 'the scale', scale);
  const shift = arrayOf(operator, 'the offset', offset);
  const fixed = {
    mean: arrayOf(operator, 'the mean', mean),
    variance: arrayOf(operator, 'the variance', variance),
  };
  const perChannel = { 'the scale': factor, 'the offset': shift, 'the mean': fixed.mean };
  kernels.checkBatchNorm(operator, input, { ...perChannel, 'the variance': fixed.variance });
  const made = { x, scale: factor, offset: shift, statistics: fixed, epsilon, activation };
  const backward: Backward = (dy, request) => {
    const dx = request.needsGrad(0) ? inputGrad(made, dy, null, request) : null;
    if (!request.needsGrad(1) && !request.needsGrad(2)) return [dx, null, null];
    const { dscale, doffset } = parameterGrads(made, dy, request);
    return [dx, dscale, doffset];
  };
  const y = recordOperator(forward(made), [x, scale, offset], backward);
  y.isReluOutput = activation === 'relu';
  return y;
}
