import { checkOptions } from '../../base/check.ts';
import type { ConvOptions } from '../../kernels/conv2d/conv-geometry.ts';
import * as kernels from '../../kernels/depthwise/depthwise.ts';
import { sumRows } from '../../kernels/reduce/reduce.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * Depthwise convolution: channel c is convolved with its own M filters (Keras's depth multiplier), whose outputs are
 * the channels c*M .. c*M + M - 1. x [N,H,W,C], filter [KH,KW,C,M], bias [C*M] or null -> [N,OH,OW,C*M].
 *
 *     y[c*M + m] = x[c] correlated with filter[c,m] + b[c*M + m]      db = sum of dy over all pixels
 *     dx[c] = sum over m of dy[c*M + m] correlated with the flipped filter      dfilter[c,m] = x[c] correlated with dy[c*M + m]
 * @throws ShapeError, ArgumentError
 */
export function depthwiseConv2d(
  x: Tensor,
  filter: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  const operator = 'depthwiseConv2d';
  checkOptions(operator, options, { strides: true, padding: true, dilation: true });
  const input = arrayOf(operator, 'the input', x);
  const weights = arrayOf(operator, 'the filter', filter);
  const offset = bias === null ? null : arrayOf(operator, 'the bias', bias);
  const geometry = kernels.depthwiseGeometry(input, weights, options);
  const y = kernels.depthwiseConv2d(input, weights, offset, geometry);
  return recordOperator(y, bias ? [x, filter, bias] : [x, filter], (dy, { needsGrad, into }) => {
    const dfilter = needsGrad(1) ? kernels.depthwiseWeightGrad(input, dy, geometry, { into: into(1) }) : null;
    const db = bias && needsGrad(2) ? sumRows(dy, bias.size, { into: into(2) }) : null;
    const dx = needsGrad(0) ? kernels.depthwiseInputGrad(dy, weights, geometry, { into: into(0) }) : null;
    return [dx, dfilter, db];
  });
}
