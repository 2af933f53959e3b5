import { checkOptions } from '../../base/check.ts';
import * as kernels from '../../kernels/conv2d/conv2d.ts';
import { activationGrad, applyActivation } from '../../kernels/epilogue.ts';
import { sumRows } from '../../kernels/reduce/reduce.ts';
import { output } from '../../kernels/run.ts';
import { type ActivationOptions, activationNames, parseActivation } from '../arguments.ts';
import type { Backward } from '../node.ts';
import { recordOperator } from '../record-operator.ts';
import { isTaped } from '../tape.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * 2-D convolution with optional bias and activation, both fused into the kernel's store. If a gradient is required, `sigmoid` and
 * `tanh` run as a separate kernel, because their derivatives need z.
 * x [N,H,W,Ci], filter [KH,KW,Ci,Co], bias [Co] or null -> [N,OH,OW,Co]; NHWC and HWIO, as in Keras.
 *
 *     dz = dy act'(z)      db = sum of dz over all pixels
 *     dx = dz correlated with the flipped filter      dfilter = x correlated with dz
 * @throws ShapeError, ArgumentError
 */
export function conv2d(
  x: Tensor,
  filter: Tensor,
  bias: Tensor | null = null,
  options: kernels.ConvOptions & ActivationOptions = {},
): Tensor {
  checkOptions('conv2d', options, { ...activationNames, strides: true, padding: true, dilation: true });
  const activation = parseActivation('conv2d', options);
  const input = arrayOf('conv2d', 'the input', x);
  const weights = arrayOf('conv2d', 'the filter', filter);
  const { strides, padding, dilation } = options;
  const geometry = kernels.convGeometry(input, weights, options);
  const offset = bias === null ? null : arrayOf('conv2d', 'the bias', bias);
  const inputs = bias ? [x, filter, bias] : [x, filter];
  const run = applyActivation(activation, isTaped(inputs), (activation) =>
    kernels.conv2d(input, weights, { strides, padding, dilation, bias: offset, activation }),
  );
  const backward: Backward = (dy, { needsGrad, into }) => {
    const dz = activationGrad(activation, run, dy);
    const db = bias && needsGrad(2) ? output(weights.device, [bias.size], weights.replicas, into(2)) : null;
    const dfilter = needsGrad(1)
      ? kernels.conv2dWeightGrad(input, dz, geometry, { into: into(1), columnSums: db })
      : null;
    if (db && !needsGrad(1)) sumRows(dz, db.size, { into: db });
    // Unlike the kernel of `linear`, this kernel does not apply the mask of a ReLU below: on lavapipe that was no faster (341 ms a
    // step of the small VGG either way), and the kernels took 1.2 to 3 times as long to compile.
    const dx = needsGrad(0) ? kernels.conv2dInputGrad(dz, weights, geometry, { into: into(0) }) : null;
    if (dz !== dy) dz.dispose();
    return [dx, dfilter, db];
  };
  const result = recordOperator(run.y, inputs, backward, {
    saved: run.derivativeInput === run.y ? [] : [run.derivativeInput],
  });
  result.isReluOutput = activation?.name === 'relu';
  return result;
}
