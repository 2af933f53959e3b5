import logsCode from '../../../shaders/pointwise/log1p_expm1.wgsl';
import logOfSumCode from '../../../shaders/softmax/log_of_sum.wgsl';
import logSoftmaxCode from '../../../shaders/softmax/log_softmax.wgsl';
import logSoftmaxGradCode from '../../../shaders/softmax/log_softmax_grad.wgsl';
import softmaxCode from '../../../shaders/softmax/softmax.wgsl';
import cooperativeCode from '../../../shaders/softmax/softmax_cooperative.wgsl';
import crossEntropyCode from '../../../shaders/softmax/softmax_cross_entropy.wgsl';
import crossEntropyCooperativeCode from '../../../shaders/softmax/softmax_cross_entropy_cooperative.wgsl';
import softmaxGradCode from '../../../shaders/softmax/softmax_grad.wgsl';
import gradCooperativeCode from '../../../shaders/softmax/softmax_grad_cooperative.wgsl';
import { ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import type { KernelSource } from '../../gpu/pipelines.ts';
import { type DeviceArray, showShape, sizeOf } from '../array.ts';
import { checkAxis } from '../axes.ts';
import { withVariant } from '../choice.ts';
import {
  cooperativeGroupsFor,
  cooperativeShaders,
  cooperativeSize,
  cooperativeSource,
  cooperativeSupports,
  cooperativeWorkgroups,
} from '../cooperative.ts';
import { floatBits } from '../float-bits.ts';
import { longSumCode, withLongSums } from '../reduce/long-sums.ts';
import { sumAll } from '../reduce/reduce.ts';
import { checkDType, checkRank, commonReplicas, elementwiseWorkgroups, output, runKernel, vectorized } from '../run.ts';

/** Sizes with `axis` as the classes: number of rows, classes of a row, and elements from one class to the next. */
function rowsOf(operator: string, x: DeviceArray, axis: number): [rows: number, classes: number, step: number] {
  const place = x.shape.length === 0 ? 0 : checkAxis(operator, axis, x.shape);
  const classes = x.shape[place];
  if (!classes) {
    throw new ShapeError(
      `${operator}: the input needs at least one class along axis ${axis}, but has shape ${showShape(x.shape)}`,
    );
  }
  return [(x.replicas * x.size) / classes, classes, sizeOf(x.shape.slice(place + 1))];
}

// An invocation for each row, or for rows of many classes a cooperative group.

/** Every implementation of these operators, the reference first. */
export const softmaxVariants = ['naive', 'subgroup', 'workgroup'] as const;
export type SoftmaxVariant = (typeof softmaxVariants)[number];

export interface SoftmaxRun {
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: SoftmaxVariant;
}

export const softmaxShaders: readonly string[] = [
  ...[softmaxCode, logSoftmaxCode, softmaxGradCode, logSoftmaxGradCode, crossEntropyCode],
  ...[cooperativeCode, gradCooperativeCode, crossEntropyCooperativeCode, ...cooperativeShaders],
  ...[logsCode, logOfSumCode, floatBits('f32'), longSumCode],
];

/** Whether a variant has a kernel for this adapter. The reference always has. */
export const softmaxSupports = (variant: SoftmaxVariant, device: Device): boolean =>
  variant === 'naive' || cooperativeSupports(variant, device);

/** Runs `body` with the selected variant. @param sizes of one replica; `inner` is the number of elements between two classes */
function withSelectedVariant<T>(
  device: Device,
  operator: string,
  sizes: { rows: number; classes: number; inner: number },
  requested: SoftmaxVariant | undefined,
  body: (variant: SoftmaxVariant) => T,
): T {
  const options = {
    variants: softmaxVariants,
    // If classes are not contiguous, neighboring rows are, and neighboring invocations read neighboring rows.
    preferred: sizes.inner === 1 ? cooperativeGroupsFor(device, sizes.classes) : [],
    supports: (variant: SoftmaxVariant) => softmaxSupports(variant, device),
    requested,
  };
  return withVariant(device, operator, sizes, options, body);
}

/** The two kernels of an operator: an invocation for each row, or a cooperative group for each row. */
const SOURCES = {
  softmax: { name: 'softmax', code: softmaxCode, cooperative: cooperativeCode },
  logSoftmax: { name: 'log_softmax', code: logSoftmaxCode, cooperative: cooperativeCode },
  softmaxGrad: { name: 'softmax_grad', code: softmaxGradCode, cooperative: gradCooperativeCode },
  logSoftmaxGrad: { name: 'log_softmax_grad', code: logSoftmaxGradCode, cooperative: gradCooperativeCode },
} as const;

/** The kernel of a variant, with the functions that it calls. */
function sourceOf(
  variant: SoftmaxVariant,
  { name, code, cooperative }: { name: string; code: string; cooperative: string },
  classes: number,
  constants?: Record<string, number>,
): KernelSource {
  const text = `${variant === 'naive' ? code : cooperative}\n${logsCode}\n${logOfSumCode}\n${floatBits('f32')}`;
  const source = vectorized(name, text, 1);
  if (variant === 'naive') return withLongSums(source, classes);
  return withLongSums(
    cooperativeSource(variant, `${name}_cooperative`, source.code, constants),
    classes / cooperativeSize(variant),
  );
}

/** Runs an operator on `inputs`, whose classes are along `axis`. */
function run(
  operator: keyof typeof SOURCES,
  inputs: readonly [DeviceArray, ...DeviceArray[]],
  axis: number,
  { into, variant: requested }: SoftmaxRun,
): DeviceArray {
  const [x] = inputs;
  checkDType(operator, 'the input', x, 'f32');
  const [rows, classes, inner] = rowsOf(operator, x, axis);
  const y = output(x.device, x.shape, x.replicas, into);
  withSelectedVariant(x.device, operator, { rows: rows / x.replicas, classes, inner }, requested, (variant) => {
    const source = sourceOf(variant, SOURCES[operator], classes, { LOG: operator.startsWith('log') ? 1 : 0 });
    const groups = variant === 'naive' ? elementwiseWorkgroups(rows) : cooperativeWorkgroups(variant, rows);
    runKernel(x.device, source, [rows, classes, inner], [...inputs, y], groups);
  });
  return y;
}

/** Softmax over one axis, of the shape of x. Memory-bound. @throws ShapeError, ArgumentError */
export function softmax(x: DeviceArray, axis: number, options: SoftmaxRun = {}): DeviceArray {
  return run('softmax', [x], axis, options);
}

/** Gradient of `softmax`, from its output y. Memory-bound. */
export function softmaxGrad(y: DeviceArray, dy: DeviceArray, axis: number, options: SoftmaxRun = {}): DeviceArray {
  return run('softmaxGrad', [y, dy], axis, options);
}

/** Logarithm of the softmax over one axis, of the shape of x. Memory-bound. @throws ShapeError, ArgumentError */
export function logSoftmax(x: DeviceArray, axis: number, options: SoftmaxRun = {}): DeviceArray {
  return run('logSoftmax', [x], axis, options);
}

/** Gradient of `logSoftmax`, from its output y. Memory-bound. */
export function logSoftmaxGrad(y: DeviceArray, dy: DeviceArray, axis: number, options: SoftmaxRun = {}): DeviceArray {
  return run('logSoftmaxGrad', [y, dy], axis, options);
}

/**
 * Cross-entropy of softmax(logits) with integer labels, with the hits and the gradient from the same pass. A label that is not a class is
 * a data error, which callers should have caught. The loss and gradient of its row are NaN, so that the error is not hidden. Memory-bound.
 * @param logits [N,C]
 * @param labels u32 [N]
 * @param options.into receives `dlogits`; default a new array
 * @returns `loss` [], the mean; `rowHit` [N] (1 where the largest logit is the label's); `dlogits` [N,C] of the mean loss
 * @throws ShapeError, ArgumentError
 */
export function softmaxCrossEntropy(
  logits: DeviceArray,
  labels: DeviceArray,
  { into, variant: requested }: SoftmaxRun = {},
): { loss: DeviceArray; rowHit: DeviceArray; dlogits: DeviceArray } {
  const operator = 'softmaxCrossEntropy';
  checkDType(operator, 'logits', logits, 'f32');
  checkDType(operator, 'labels', labels, 'u32');
  checkRank(operator, 'logits', logits, 2, 'batch, classes');
  checkRank(operator, 'labels', labels, 1, 'batch');
  if (logits.shape[0] !== labels.shape[0] || logits.size === 0) {
    throw new ShapeError(
      `${operator}: logits and labels must have the same, non-empty batch (logits ${showShape(logits.shape)}, labels ${showShape(labels.shape)})`,
    );
  }
  const replicas = commonReplicas(operator, [logits, labels]);
  const { device } = logits;
  const [rows, classes] = logits.shape as [number, number];
  return withSelectedVariant(device, operator, { rows, classes, inner: 1 }, requested, (variant) => {
    const rowsPerInvocation = rows * classes <= 8192 ? 4 : 1; // a small batch is computed by one workgroup, which saves the second pass
    const groups = variant === 'naive' ? Math.ceil(rows / (64 * rowsPerInvocation)) : rows;
    const part = output(device, groups === 1 ? [] : [groups], replicas);
    const rowHit = output(device, labels.shape, replicas);
    const dlogits = output(device, logits.shape, replicas, into);
    const bindings = [logits, labels, part, rowHit, dlogits];
    const kernel = { name: 'softmax_cross_entropy', code: crossEntropyCode, cooperative: crossEntropyCooperativeCode };
    const source = sourceOf(variant, kernel, classes);
    if (variant === 'naive') {
      runKernel(device, source, [rows, classes, rowsPerInvocation], bindings, [groups, 1, replicas]);
    } else {
      runKernel(device, source, [rows, classes], bindings, cooperativeWorkgroups(variant, rows, replicas));
    }
    if (groups === 1) return { loss: part, rowHit, dlogits };
    const loss = sumAll(operator, part);
    part.dispose();
    return { loss, rowHit, dlogits };
  });
}
