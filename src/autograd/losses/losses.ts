import { checkF32, checkOptions, formatValue, type OptionNames } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { sameShape, showShape } from '../../kernels/array.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import { checkDType, checkSameShape, commonReplicas } from '../../kernels/run.ts';
import { compose } from '../compose.ts';
import { oneHot } from '../gather/gather.ts';
import { abs, add, clip, div, log, mul, neg, softplus, square, sub } from '../pointwise/pointwise.ts';
import { mean, sum } from '../reduce/reduce.ts';
import { reshape } from '../shape/reshape.ts';
import { logSoftmax, softmaxCrossEntropy } from '../softmax/softmax.ts';
import { arrayOf, Tensor } from '../tensor.ts';

// Losses as functions of tensors, composed of differentiable operators. Each returns the mean over
// the batch, shape []. Targets are f32 of the output's shape, unless labels are required. With `sampleWeight` [N], each
// sample's loss is multiplied by its weight before the mean; the divisor stays the number of samples, as in Keras.

/** Keras's `backend.epsilon()`: probabilities are kept this far from 0 and 1 before the logarithm. */
const EPSILON = 1e-7;

function checkPair(name: string, output: Tensor, target: Tensor): void {
  const [y, t] = [arrayOf(name, 'the output', output), arrayOf(name, 'the target', target)];
  checkDType(name, 'the output', y, 'f32');
  checkDType(name, 'the target', t, 'f32');
  checkSameShape(name, y, t);
  commonReplicas(name, [y, t]);
}

/**
 * Options of every loss.
 * @inline
 */
export interface LossOptions {
  /** A factor for each sample, f32 [N]. */
  sampleWeight?: Tensor | null;
}
const lossNames: OptionNames<LossOptions> = { sampleWeight: true };

/** Options of the cross-entropies. */
export interface CrossentropyOptions extends LossOptions {
  /** Whether the output is logits. Default false: probabilities. */
  fromLogits?: boolean;
  /** Share of each target that is distributed evenly over the classes, 0 to 1. Default 0. */
  labelSmoothing?: number;
}
const crossentropyNames: OptionNames<CrossentropyOptions> = { ...lossNames, fromLogits: true, labelSmoothing: true };

/** Applies the defaults to options whose names were checked. @throws ArgumentError for an invalid value */
export function crossentropyOptions(name: string, options: CrossentropyOptions): Required<CrossentropyOptions> {
  const { fromLogits = false, labelSmoothing = 0, sampleWeight = null } = options;
  if (typeof fromLogits !== 'boolean') {
    throw new ArgumentError(`${name}: fromLogits must be true or false, but is ${formatValue(fromLogits)}`);
  }
  if (typeof labelSmoothing !== 'number' || !(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(
      `${name}: labelSmoothing must be a number from 0 to 1, but is ${formatValue(labelSmoothing)}`,
    );
  }
  return { fromLogits, labelSmoothing: checkF32(`${name}: labelSmoothing`, labelSmoothing), sampleWeight };
}

/** @throws ArgumentError unless `delta` is a positive number */
export function checkDelta(name: string, delta: number): number {
  if (!(Number.isFinite(delta) && delta > 0)) {
    throw new ArgumentError(`${name}: delta must be a positive number, but is ${formatValue(delta)}`);
  }
  return checkF32(`${name}: delta`, delta);
}

/** target (1 - smoothing) + smoothing / classes */
function smooth(target: Tensor, smoothing: number, classes: number): Tensor {
  if (smoothing === 0) return target;
  return add(mul(target, scalar(target, 1 - smoothing)), scalar(target, smoothing / classes));
}

const scalar = (like: Tensor, value: number) => new Tensor(fill(like.device, [], value, { replicas: like.replicas }));

/** Mean of values [N, ...], each multiplied by the weight of its sample if there are weights. */
function average(name: string, values: Tensor, weight: Tensor | null | undefined): Tensor {
  if (weight == null) return mean(values);
  const samples = values.shape.slice(0, 1);
  const weights = arrayOf(name, 'sampleWeight', weight);
  checkDType(name, 'sampleWeight', weights, 'f32');
  commonReplicas(name, [values.array, weights]);
  if (!sameShape(weights.shape, samples)) {
    throw new ShapeError(
      `${name}: sampleWeight must have one weight a sample, shape ${showShape(samples)}, but has ${showShape(weight.shape)}`,
    );
  }
  return mean(mul(values, reshape(weight, [...samples, ...values.shape.slice(1).map(() => 1)])));
}

/** Mean of (target - output)^2 over all elements. @throws ShapeError, ArgumentError */
export function meanSquaredError(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('meanSquaredError', options, lossNames);
  checkPair('meanSquaredError', output, target);
  return compose(output.device, () => average('meanSquaredError', square(sub(output, target)), options.sampleWeight));
}

/** Mean of |target - output| over all elements. @throws ShapeError, ArgumentError */
export function meanAbsoluteError(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('meanAbsoluteError', options, lossNames);
  checkPair('meanAbsoluteError', output, target);
  return compose(output.device, () => average('meanAbsoluteError', abs(sub(output, target)), options.sampleWeight));
}

/**
 * Mean of e^2 / 2 where the error e = |target - output| is at most delta, and delta (e - delta / 2) beyond (Huber 1964).
 * @param options.delta error at which the loss becomes linear; default 1
 * @throws ShapeError, ArgumentError
 */
export function huber(output: Tensor, target: Tensor, options: LossOptions & { delta?: number } = {}): Tensor {
  checkOptions('huber', options, { ...lossNames, delta: true });
  const delta = checkDelta('huber', options.delta ?? 1);
  checkPair('huber', output, target);
  return compose(output.device, () => {
    const error = abs(sub(output, target));
    const near = clip(error, { max: delta });
    // With q = min(e, delta) both branches are q^2 / 2 + delta (e - q).
    const half = scalar(output, 0.5);
    const values = add(mul(square(near), half), mul(sub(error, near), scalar(output, delta)));
    return average('huber', values, options.sampleWeight);
  });
}

/**
 * Mean over all elements of -(t log p + (1 - t) log(1 - p)) for targets t in 0 .. 1. From logits x it is
 * t softplus(-x) + (1 - t) softplus(x), which neither over- nor underflows nor cancels; probabilities p are first clipped to 1e-7
 * from 0 and 1, as in Keras. `labelSmoothing` s replaces t by t (1 - s) + s / 2. Targets are not checked, as that would
 * wait for the GPU; outside 0 .. 1 the loss has no minimum. `fit` and `evaluate` refuse such targets.
 * @throws ShapeError, ArgumentError
 */
export function binaryCrossentropy(output: Tensor, target: Tensor, options: CrossentropyOptions = {}): Tensor {
  const name = 'binaryCrossentropy';
  checkOptions(name, options, crossentropyNames);
  const { fromLogits, labelSmoothing, sampleWeight } = crossentropyOptions(name, options);
  checkPair('binaryCrossentropy', output, target);
  return compose(output.device, () => {
    const one = scalar(output, 1);
    const t = smooth(target, labelSmoothing, 2);
    if (fromLogits) {
      return average(name, add(mul(t, softplus(neg(output))), mul(sub(one, t), softplus(output))), sampleWeight);
    }
    const p = clip(output, { min: EPSILON, max: 1 - EPSILON });
    return neg(average(name, add(mul(t, log(p)), mul(sub(one, t), log(sub(one, p)))), sampleWeight));
  });
}

/**
 * Mean over the rows of -sum_c t_c log p_c for one-hot (or soft) targets, output and target [N, C]. Each row of probabilities
 * is first scaled to sum 1 and clipped to 1e-7 from 0 and 1, as in Keras. `labelSmoothing` s replaces t by t (1 - s) + s / C. Targets
 * are not checked (see `binaryCrossentropy`).
 * @throws ShapeError, ArgumentError
 */
export function categoricalCrossentropy(output: Tensor, target: Tensor, options: CrossentropyOptions = {}): Tensor {
  const name = 'categoricalCrossentropy';
  checkOptions(name, options, crossentropyNames);
  const { fromLogits, labelSmoothing, sampleWeight } = crossentropyOptions(name, options);
  checkPair('categoricalCrossentropy', output, target);
  return compose(output.device, () => {
    const t = smooth(target, labelSmoothing, target.shape.at(-1) ?? 1);
    const logs = fromLogits
      ? logSoftmax(output)
      : log(clip(div(output, sum(output, { axis: -1, keepDims: true })), { min: EPSILON, max: 1 - EPSILON }));
    return neg(average(name, sum(mul(t, logs), { axis: -1 }), sampleWeight));
  });
}

/**
 * Mean cross-entropy with integer labels, output [N, C], labels u32 [N]. Probabilities are treated as in Keras: clipped
 * to 1e-7 from 0 and 1, and their logarithms normalized like logits, which matters for outputs that do not sum to 1.
 * @param options.fromLogits whether the output is logits; default false: probabilities
 * @throws ShapeError, ArgumentError
 */
export function sparseCategoricalCrossentropy(
  output: Tensor,
  labels: Tensor,
  options: LossOptions & { fromLogits?: boolean } = {},
): Tensor {
  const name = 'sparseCategoricalCrossentropy';
  checkOptions(name, options, { ...lossNames, fromLogits: true });
  const [probabilities, classes] = [arrayOf(name, 'the output', output), arrayOf(name, 'labels', labels)];
  checkDType(name, 'the output', probabilities, 'f32');
  if (classes.dtype === 'f32') checkDType(name, 'labels', classes, 'u32');
  commonReplicas(name, [probabilities, classes]);
  const { fromLogits, sampleWeight } = options;
  return compose(output.device, () => {
    const logits = fromLogits ? output : log(clip(output, { min: EPSILON, max: 1 - EPSILON }));
    if (sampleWeight == null) return softmaxCrossEntropy(logits, labels);
    const target = oneHot(labels, logits.shape.at(-1) ?? 0);
    checkSameShape(name, logits.array, target.array);
    return neg(average(name, sum(mul(target, logSoftmax(logits)), { axis: -1 }), sampleWeight));
  });
}
