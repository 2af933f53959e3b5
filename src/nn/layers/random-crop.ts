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
 * Takes a window of each image at random in training: samples [H,W,C] -> [height,width,C]. Otherwise it takes the largest window of that
 * aspect ratio around the center, resized, as the documentation of Keras has it. Keras draws one window for all images of a batch; here
 * each image has its own.
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
   * @throws ShapeError for samples that are no images, or smaller than the window
   * @internal
   */
  override plan(inputShape: Shape): { outputShape: Shape; weights: [] } {
    super.plan(inputShape);
    const [height, width, channels] = imageShape(this.kind, inputShape);
    if (height < this.height || width < this.width) {
      throw new ShapeError(
        `RandomCrop: cannot take ${this.height} x ${this.width} pixels out of samples of ${showShape(inputShape)}; ` +
          'take less, or resize or pad them first',
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

  /** The largest window of the aspect ratio, resized. */
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
