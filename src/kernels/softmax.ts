import logSoftmaxCode from '../../shaders/log_softmax.wgsl';
import logSoftmaxGradCode from '../../shaders/log_softmax_grad.wgsl';
import softmaxCode from '../../shaders/softmax.wgsl';
import crossEntropyCode from '../../shaders/softmax_cross_entropy.wgsl';
import softmaxGradCode from '../../shaders/softmax_grad.wgsl';
import { ShapeError } from '../errors.ts';
import type { KernelSource } from '../gpu/pipelines.ts';
import { type DeviceArray, showShape, sizeOf } from './array.ts';
import { checkAxis } from './axes.ts';
import { sumAll } from './reduce.ts';
import { checkDType, checkRank, commonModels, elementwise, output, runKernel } from './run.ts';

/** An axis as classes: how many rows there are, how many classes in each, and how far apart classes lie. */
function rowsOf(operator: string, x: DeviceArray, axis: number): [rows: number, classes: number, step: number] {
  const place = x.shape.length === 0 ? 0 : checkAxis(operator, axis, x.shape);
  const classes = x.shape[place];
  if (!classes) {
    throw new ShapeError(
      `${operator}: the input needs at least one class along axis ${axis}, but has shape ${showShape(x.shape)}`,
    );
  }
  return [(x.models * x.size) / classes, classes, sizeOf(x.shape.slice(place + 1))];
}

function forward(operator: string, source: KernelSource, x: DeviceArray, axis: number): DeviceArray {
  checkDType(operator, 'the input', x, 'f32');
  const params = rowsOf(operator, x, axis);
  const y = output(x.device, x.shape, x.models);
  runKernel(x.device, source, params, [x, y], elementwise(params[0]));
  return y;
}

function backward(
  operator: string,
  source: KernelSource,
  y: DeviceArray,
  dy: DeviceArray,
  axis: number,
  into?: DeviceArray,
): DeviceArray {
  const params = rowsOf(operator, y, axis);
  const dx = output(y.device, y.shape, y.models, into);
  runKernel(y.device, source, params, [y, dy, dx], elementwise(params[0]));
  return dx;
}

/** Softmax over one axis, of the shape of x. Memory-bound. @throws ShapeError, ArgumentError */
export function softmax(x: DeviceArray, axis: number): DeviceArray {
  return forward('softmax', { name: 'softmax', code: softmaxCode }, x, axis);
}

/** Gradient of `softmax`, from its output y. Memory-bound. */
export function softmaxGrad(y: DeviceArray, dy: DeviceArray, axis: number, into?: DeviceArray): DeviceArray {
  return backward('softmax', { name: 'softmax_grad', code: softmaxGradCode }, y, dy, axis, into);
}

/** Logarithm of the softmax over one axis, of the shape of x. Memory-bound. @throws ShapeError, ArgumentError */
export function logSoftmax(x: DeviceArray, axis: number): DeviceArray {
  return forward('logSoftmax', { name: 'log_softmax', code: logSoftmaxCode }, x, axis);
}

/** Gradient of `logSoftmax`, from its output y. Memory-bound. */
export function logSoftmaxGrad(y: DeviceArray, dy: DeviceArray, axis: number, into?: DeviceArray): DeviceArray {
  return backward('logSoftmax', { name: 'log_softmax_grad', code: logSoftmaxGradCode }, y, dy, axis, into);
}

/**
 * Cross-entropy of softmax(logits) with integer labels, and everything a training step wants from the same pass.
 * A label that is no class is a data error and should be caught before it gets here; its row's loss and gradient are NaN,
 * so that nothing computed from it passes for a number. Memory-bound.
 * @param logits [N,C]
 * @param labels u32 [N]
 * @returns `loss` [], the mean; `rowHit` [N] (1 where the largest logit is the label's); `dlogits` [N,C] of the mean loss
 * @throws ShapeError, ArgumentError
 */
export function softmaxCrossEntropy(
  logits: DeviceArray,
  labels: DeviceArray,
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
  const models = commonModels(operator, [logits, labels]);
  const { device } = logits;
  const [rows, classes] = logits.shape as [number, number];
  const each = rows * classes <= 8192 ? 4 : 1; // little work is done in one workgroup, much is spread
  const groups = Math.ceil(rows / (64 * each));
  const part = output(device, groups === 1 ? [] : [groups], models);
  const rowHit = output(device, labels.shape, models);
  const dlogits = output(device, logits.shape, models);
  runKernel(
    device,
    { name: 'softmax_cross_entropy', code: crossEntropyCode },
    [rows, classes, each],
    [logits, labels, part, rowHit, dlogits],
    [groups, 1, models],
  );
  if (groups === 1) return { loss: part, rowHit, dlogits };
  const loss = sumAll(operator, part);
  part.dispose();
  return { loss, rowHit, dlogits };
}
