import { readSeeds } from '../../base/random.ts';
import * as kernels from '../../kernels/random/augmentation.ts';
import * as pixels from '../../kernels/random/augmentation-pixels.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import { checkCount, checkStep } from './dropout.ts';

// Operators of the random image layers. Only the layers call them, with their name for messages and with checked options.

/** Checks seed and step of a layer, which may come from `model.call`. @throws ArgumentError, ShapeError for an invalid seed or step */
function checkDraw(operator: string, draw: kernels.AugmentDraw, replicas: number): kernels.AugmentDraw {
  const seed = readSeeds(operator, draw.seed);
  if (typeof seed !== 'number') checkCount(operator, 'seeds', seed.length, replicas);
  checkStep(operator, draw.step);
  return { ...draw, seed };
}

/**
 * Applies a different random affine map to each image of x [N,H,W,C], with interpolation and a fill mode: flip, shift, rotate, zoom, crop.
 *
 *     y[o] = sum over i of w[o,i] x[i], i the pixels around the source of o      dx[i] = sum over o of w[o,i] dy[o]
 * @throws ShapeError, ArgumentError
 */
export function randomAffine(
  operator: string,
  x: Tensor,
  affine: kernels.AffineDraw,
  sampling: kernels.Sampling,
  draw: kernels.AugmentDraw,
): Tensor {
  const input = arrayOf(operator, 'the input', x);
  const { y, sample } = kernels.randomAffine(
    operator,
    input,
    affine,
    sampling,
    checkDraw(operator, draw, input.replicas),
  );
  const { shape } = input;
  return recordOperator(y, [x], (dy, { into }) => [kernels.randomAffineGrad(dy, sample, shape, into(0))], {
    saved: [sample.maps],
  });
}

/**
 * Changes the contrast of each image of x [N,H,W,C] by a different random factor f.
 *
 *     y = (x - mean) f + mean within low .. high, mean over the pixels of a channel
 *     dx = (g - mean of g) f + mean of g, g = dy where nothing was clipped, else 0
 * @throws ShapeError, ArgumentError
 */
export function randomContrast(
  operator: string,
  x: Tensor,
  contrast: pixels.Contrast,
  draw: kernels.AugmentDraw,
): Tensor {
  const input = arrayOf(operator, 'the input', x);
  const { y, sample } = pixels.randomContrast(operator, input, contrast, checkDraw(operator, draw, input.replicas));
  const { valueRange } = contrast;
  return recordOperator(y, [x], (dy, { into }) => [pixels.randomContrastGrad(input, dy, sample, valueRange, into(0))], {
    saved: [sample.draws, sample.means],
  });
}

/**
 * Erases a different random rectangle of each image of x [N,H,W,C].
 *
 *     y = fill in the rectangle, x elsewhere      dx = 0 in the rectangle, dy elsewhere
 * @throws ShapeError, ArgumentError
 */
export function randomErasing(operator: string, x: Tensor, erasing: pixels.Erasing, draw: kernels.AugmentDraw): Tensor {
  const input = arrayOf(operator, 'the input', x);
  const { y, draws } = pixels.randomErasing(operator, input, erasing, checkDraw(operator, draw, input.replicas));
  return recordOperator(y, [x], (dy, { into }) => [pixels.eraseGrad(dy, draws, into(0))], { saved: [draws] });
}
