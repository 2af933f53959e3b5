import { checkOptions, type OptionNames } from '../../base/check.ts';
import * as kernels from '../../kernels/pool/pooling.ts';
import type { Backward } from '../node.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

const names: OptionNames<kernels.PoolOptions> = { poolSize: true, strides: true, padding: true };

/**
 * Maximum of each window: x [N,H,W,C] -> [N,OH,OW,C].
 *
 *     dx = dy at the window's maximum, 0 elsewhere; of equal maxima the first in row-major order gets all, as in TensorFlow
 * @throws ShapeError, ArgumentError
 */
export function maxPool2d(x: Tensor, options: kernels.PoolOptions): Tensor {
  checkOptions('maxPool2d', options, names);
  const input = arrayOf('maxPool2d', 'the input', x);
  const pool = kernels.maxPool2d(input, options);
  const backward: Backward = (dy, { into }) => {
    const dx = kernels.maxPool2dGrad(dy, pool, { into: into(0), inputIsRelu: x.isReluOutput });
    if (x.isReluOutput) dx.appliedReluMask = input;
    return [dx];
  };
  return recordOperator(pool.y, [x], backward, { saved: [pool.argmax] });
}

/**
 * Mean of each window: x [N,H,W,C] -> [N,OH,OW,C]. Padding is not counted, as in TensorFlow; PyTorch counts it unless
 * `count_include_pad=False`.
 *
 *     dx = sum over the windows that hold the pixel of dy / (pixels of the window inside the image)
 * @throws ShapeError, ArgumentError
 */
export function avgPool2d(x: Tensor, options: kernels.PoolOptions): Tensor {
  checkOptions('avgPool2d', options, names);
  const pool = kernels.avgPool2d(arrayOf('avgPool2d', 'the input', x), options);
  return recordOperator(pool.y, [x], (dy, { into }) => [kernels.avgPool2dGrad(dy, pool, into(0))]);
}

/**
 * Mean of each channel over all pixels: x [N,H,W,C] -> [N,C]. `dx = dy / (H W)`.
 * @throws ShapeError also for an image without pixels, ArgumentError
 */
export function globalAveragePool2d(x: Tensor): Tensor {
  const pool = kernels.globalAveragePool2d(arrayOf('globalAveragePool2d', 'the input', x));
  return recordOperator(pool.y, [x], (dy, { into }) => [kernels.avgPool2dGrad(dy, pool, into(0))]);
}
