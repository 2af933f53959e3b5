import { readSeeds } from '../../base/random.ts';
import * as kernels from '../../kernels/random/augmentation.ts';
import * as pixels from '../../kernels/random/augmentation-pixels.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import { checkCount, checkStep } from './dropout.ts';

// What random layers of images compute. They are called by the layers alone, under the layer's name, with options that it has checked.

/** What a layer draws by, as `model.call` may have been given it. @throws ArgumentError, ShapeError for seeds or a step that are none */
function checkDraw(operator: string, draw: kernels.AugmentDraw, models: number): kernels.AugmentDraw {
  const seed = readSeeds(operator, draw.seed);
  if (typeof seed !== 'number') checkCount(operator, 'seeds', seed.length, models);
  checkStep(operator, draw.step);
  return { ...draw, seed };
}

/**
 * Each image of x [N,H,W,C] under a random map of its own, sampled between and beyond its pixels: flips, shifts, rotations, zooms, crops.
 *
 *     y[o] = sum of w x over the pixels around the place that the map takes o from      dx = the same weights the other way
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
 * Each image of x [N,H,W,C] with a random contrast of its own.
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
 * Each image of x [N,H,W,C] with a random rectangle erased.
 *
 *     y = fill in the rectangle, x elsewhere      dx = 0 in the rectangle, dy elsewhere
 * @throws ShapeError, ArgumentError
 */
export function randomErasing(operator: string, x: Tensor, erasing: pixels.Erasing, draw: kernels.AugmentDraw): Tensor {
  const input = arrayOf(operator, 'the input', x);
  const { y, draws } = pixels.randomErasing(operator, input, erasing, checkDraw(operator, draw, input.replicas));
  return recordOperator(y, [x], (dy, { into }) => [pixels.eraseGrad(dy, draws, into(0))], { saved: [draws] });
}
