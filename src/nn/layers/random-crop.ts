import { randomAffine } from '../../autograd/random/augmentation.ts';
import { resize } from '../../autograd/resize/resize.ts';
import { slice } from '../../autograd/shape/shape.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ShapeError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import type { AugmentDraw } from '../../kernels/random/augmentation.ts';
import { imageShape } from './images.ts';
import type { CallContext } from './layer.ts';
import { checkLayerOptions, checkPositiveInteger } from './options.ts';
import { RandomImageLayer, type RandomImageOptions, randomImageOptionNames } from './random-image.ts';

/** Options of `RandomCrop`. */
export interface RandomCropOptions extends RandomImageOptions {
  /** Rows of the window. */
  height: number;
  /** Columns of the window. */
  width: number;
}

/**
 * Takes a random window of each image in training: samples [H,W,C] -> [height,width,C]. Otherwise, takes the largest centered window of
 * that aspect ratio and resizes it, as Keras documents it.
 *
 * Each image has a separate window, whereas Keras draws one for all images of a batch.
 */
export class RandomCrop extends RandomImageLayer {
  readonly kind = 'RandomCrop';
  private readonly height: number;
  private readonly width: number;

  /** @throws ArgumentError unless height and width are positive integers */
  constructor(options: RandomCropOptions, ...surplus: never[]) {
    super(
      'RandomCrop',
      checkLayerOptions('RandomCrop', options, { ...randomImageOptionNames, height: true, width: true }, surplus),
    );
    this.height = checkPositiveInteger('RandomCrop', 'height', options.height);
    this.width = checkPositiveInteger('RandomCrop', 'width', options.width);
  }

  /**
   * @throws ShapeError for samples that are not images, or smaller than the window
   * @internal
   */
  override plan(inputShape: Shape): { outputShape: Shape; weights: [] } {
    super.plan(inputShape);
    const [height, width, channels] = imageShape(this.kind, inputShape);
    if (height < this.height || width < this.width) {
      throw new ShapeError(
        `RandomCrop: cannot take ${this.height} x ${this.width} pixels out of samples of ${showShape(inputShape)}; ` +
          'give a smaller height and width, or resize or pad them first',
      );
    }
    return { outputShape: [this.height, this.width, channels], weights: [] };
  }

  override call(x: Tensor, context: CallContext): Tensor {
    return context.training ? super.call(x, context) : this.center(x);
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    const affine = { kind: 'crop' as const, height: this.height, width: this.width };
    const exact = { interpolation: 'nearest' as const, fillMode: 'constant' as const, fillValue: 0 };
    return randomAffine(this.kind, x, affine, exact, draw);
  }

  /** The largest centered window of the aspect ratio, resized. */
  private center(x: Tensor): Tensor {
    const [batch, height, width, channels] = x.shape as [number, number, number, number];
    const rows = Math.max(1, Math.min(height, Math.floor((width * this.height) / this.width)));
    const columns = Math.max(1, Math.min(width, Math.floor((height * this.width) / this.height)));
    const begin = [0, Math.floor((height - rows) / 2), Math.floor((width - columns) / 2), 0];
    const isWhole = rows === height && columns === width;
    const window = isWhole ? x : slice(x, begin, [batch, rows, columns, channels]);
    return rows === this.height && columns === this.width ? window : resize(window, [this.height, this.width]);
  }
}
