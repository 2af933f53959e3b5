import { maxPool2d } from '../../autograd/pooling.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { type Padding, type Pair, pair, slide } from '../../kernels/window.ts';
import { Layer, type LayerOptions } from './layer.ts';

export interface MaxPooling2DOptions extends LayerOptions {
  /** Default 2. */
  poolSize?: Pair;
  /** Default: `poolSize`. */
  strides?: Pair;
  padding?: Padding;
}

/** Maximum of each window of [H,W,C] samples. */
export class MaxPooling2D extends Layer {
  readonly kind = 'MaxPooling2D';
  private readonly poolSize: [number, number];
  private readonly strides: [number, number];
  private readonly padding: Padding;

  /** @throws ArgumentError for impossible options */
  constructor(options: MaxPooling2DOptions = {}) {
    super(options);
    this.poolSize = pair(this.kind, 'poolSize', options.poolSize ?? 2);
    this.strides = pair(this.kind, 'strides', options.strides ?? this.poolSize);
    this.padding = options.padding ?? 'valid';
  }

  plan(inputShape: Shape) {
    if (inputShape.length !== 3) {
      throw new ShapeError(
        `MaxPooling2D: needs samples of shape [height, width, channels], but gets ${showShape(inputShape)}`,
      );
    }
    const [h, w, channels] = inputShape as [number, number, number];
    const shapes = `input ${showShape(inputShape)}`;
    const { size } = slide(this.kind, [h, w], this.poolSize, this.strides, [1, 1], this.padding, shapes);
    return { outputShape: [...size, channels], weights: [] };
  }

  call(x: Tensor): Tensor {
    return maxPool2d(x, { poolSize: this.poolSize, strides: this.strides, padding: this.padding });
  }
}
