import { checkOptions } from '../../base/check.ts';
import { scaleRows } from '../../kernels/pointwise/pointwise.ts';
import * as kernels from '../../kernels/softmax/softmax.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, Tensor } from '../tensor.ts';

/** Options of `softmax` and `logSoftmax`. */
export interface SoftmaxOptions {
  /** Axis of the classes; negative ones count from the end. Default: the last. */
  axis?: number;
}

/**
 * Softmax over one axis, along which the results sum to 1.
 *
 *     y_c = e^x_c / sum_j e^x_j      dx_c = y_c (dy_c - sum_j dy_j y_j)
 * @throws ShapeError, ArgumentError
 */
export function softmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const input = arrayOf('softmax', 'the input', x);
  checkOptions('softmax', options, { axis: true });
  const { axis = -1 } = options;
  const y = kernels.softmax(input, axis);
  return recordOperator(y, [x], (dy, { into }) => [kernels.softmaxGrad(y, dy, axis, { into: into(0) })]);
}

/**
 * Logarithm of the softmax over one axis, exact where the softmax itself under- or overflows.
 *
 *     y_c = x_c - log sum_j e^x_j      dx_c = dy_c - e^y_c sum_j dy_j
 * @throws ShapeError, ArgumentError
 */
export function logSoftmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const input = arrayOf('logSoftmax', 'the input', x);
  checkOptions('logSoftmax', options, { axis: true });
  const { axis = -1 } = options;
  const y = kernels.logSoftmax(input, axis);
  return recordOperator(y, [x], (dy, { into }) => [kernels.logSoftmaxGrad(y, dy, axis, { into: into(0) })]);
}

/**
 * Mean cross-entropy between softmax(logits) and integer labels, computed from the logits because that is exact where
 * probabilities under- or overflow. logits [N,C], labels u32 [N] with values below C -> []. Labels are not
 * checked, as that would wait for the GPU: a label of C or more makes the loss and the gradient of that row NaN.
 *
 *     loss = mean_n (log sum_c e^x_nc - x_n,label)      dx_nc = (softmax(x)_nc - [c = label]) / N
 * @throws ShapeError, ArgumentError
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const { loss, hits } = softmaxCrossEntropyWithHits(logits, labels);
  hits.dispose();
  return loss;
}

/**
 * Like `softmaxCrossEntropy`, and also returns whether each sample was classified correctly, from the same pass at no cost.
 * @throws ShapeError, ArgumentError
 */
export function softmaxCrossEntropyWithHits(
  logits: Tensor,
  labels: Tensor,
): {
  /** Mean cross-entropy, f32 []. */
  loss: Tensor;
  /** f32 [N]: 1 where the largest logit is the label's, else 0. It has no gradient. */
  hits: Tensor;
} {
  const operator = 'softmaxCrossEntropy';
  const { rowHit, dlogits, ...result } = kernels.softmaxCrossEntropy(
    arrayOf(operator, 'logits', logits),
    arrayOf(operator, 'labels', labels),
  );
  const loss = recordOperator(result.loss, [logits], (dy, { into }) => [scaleRows(dlogits, dy, into(0))], {
    backwardOfOne: () => [dlogits.reshape(dlogits.shape)], // a separate handle for the tape: backward may run again
    saved: [dlogits],
  });
  return { loss, hits: new Tensor(rowHit) };
}
