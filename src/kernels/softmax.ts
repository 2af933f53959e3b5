import softmaxCode from '../../shaders/softmax.wgsl';
import crossEntropyCode from '../../shaders/softmax_cross_entropy.wgsl';
import softmaxGradCode from '../../shaders/softmax_grad.wgsl';
import { ShapeError } from '../errors.ts';
import { type DeviceArray, showShape } from './array.ts';
import { checkDType, checkRank, commonModels, elementwise, output, runKernel } from './run.ts';

/** Rows and columns of an array whose last axis holds the classes. */
function rowsOf(operator: string, x: DeviceArray): [rows: number, classes: number] {
  const classes = x.shape.at(-1);
  if (!classes) {
    throw new ShapeError(
      `${operator}: the input needs a last axis with at least one class, but has shape ${showShape(x.shape)}`,
    );
  }
  return [(x.models * x.size) / classes, classes];
}

/** Softmax over the last axis: [..., C] -> [..., C]. Memory-bound. @throws ShapeError, ArgumentError */
export function softmax(x: DeviceArray): DeviceArray {
  checkDType('softmax', 'the input', x, 'f32');
  const [rows, classes] = rowsOf('softmax', x);
  const y = output(x.device, x.shape, x.models);
  runKernel(x.device, { name: 'softmax', code: softmaxCode }, [rows, classes], [x, y], elementwise(rows));
  return y;
}

/** Gradient of `softmax`, from its output y. Memory-bound. */
export function softmaxGrad(y: DeviceArray, dy: DeviceArray, into?: DeviceArray): DeviceArray {
  const [rows, classes] = rowsOf('softmax', y);
  const dx = output(y.device, y.shape, y.models, into);
  runKernel(y.device, { name: 'softmax_grad', code: softmaxGradCode }, [rows, classes], [y, dy, dx], elementwise(rows));
  return dx;
}

/**
 * Cross-entropy of softmax(logits) with integer labels, and everything a training step wants from the same pass.
 * A label that is no class is a data error and should be caught before it gets here; its row's loss and gradient are NaN,
 * so that nothing computed from it passes for a number. Memory-bound.
 * @param logits [N,C]
 * @param labels u32 [N]
 * @returns `rowLoss` [N], `rowHit` [N] (1 where the largest logit is the label's), `dlogits` [N,C] of the mean loss
 * @throws ShapeError, ArgumentError
 */
export function softmaxCrossEntropy(
  logits: DeviceArray,
  labels: DeviceArray,
): { rowLoss: DeviceArray; rowHit: DeviceArray; dlogits: DeviceArray } {
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
  const [rows, classes] = rowsOf(operator, logits);
  const rowLoss = output(device, labels.shape, models);
  const rowHit = output(device, labels.shape, models);
  const dlogits = output(device, logits.shape, models);
  runKernel(
    device,
    { name: 'softmax_cross_entropy', code: crossEntropyCode },
    [rows, rows / models, classes],
    [logits, labels, rowLoss, rowHit, dlogits],
    elementwise(rows),
  );
  return { rowLoss, rowHit, dlogits };
}
