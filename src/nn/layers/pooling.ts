import { avgPool2d, globalAveragePool2d, maxPool2d } from '../../autograd/pool/pooling.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { checkPair, type Padding, type Pair, slideWindow } from '../../kernels/window.ts';
import { imageShape } from './images.ts';
import { Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/**
 * Options of pooling layers.
 * @inline
 */
export interface Pooling2DOptions extends LayerOptions {
  /** Rows and columns of the window. Default 2. */
  poolSize?: Pair;
  /** Pixels from one window to the next. Default: `poolSize`. */
  strides?: Pair;
  /** 'same' as in TensorFlow: odd padding has the extra element at the end. Default 'valid'. */
  padding?: Padding;
}

/**
 * Options of `MaxPooling2D`.
 * @interface
 */
export type MaxPooling2DOptions = Pooling2DOptions;
/**
 * Options of `AveragePooling2D`.
 * @interface
 */
export type AveragePooling2DOptions = Pooling2DOptions;

/** Common part of the layers with a sliding window and no weights. */
abstract class Pooling2D extends Layer {
  override readonly deterministic = true;
  protected readonly window: { poolSize: [number, number]; strides: [number, number]; padding: Padding };

  /** @throws ArgumentError for impossible options */
  constructor(kind: string, options: Pooling2DOptions, surplus: readonly unknown[]) {
    super(
      checkLayerOptions(kind, options, { ...layerOptionNames, poolSize: true, strides: true, padding: true }, surplus),
    );
    const poolSize = checkPair(kind, 'poolSize', options.poolSize ?? 2);
    const strides = checkPair(kind, 'strides', options.strides ?? poolSize);
    this.window = { poolSize, strides, padding: options.padding ?? 'valid' };
  }

  /** @internal */
  plan(inputShape: Shape) {
    const [h, w, channels] = imageShape(this.kind, inputShape);
    const { poolSize, strides, padding } = this.window;
    const { size } = slideWindow(
      this.kind,
      [h, w],
      poolSize,
      strides,
      [1, 1],
      padding,
      `input ${showShape(inputShape)}`,
    );
    return { outputShape: [...size, channels], weights: [] };
  }
}

/** Maximum of each window of [H,W,C] samples. */
export class MaxPooling2D extends Pooling2D {
  readonly kind = 'MaxPooling2D';

  /** @throws ArgumentError for impossible options */
  constructor(options: Pooling2DOptions = {}, ...surplus: never[]) {
    super('MaxPooling2D', options, surplus);
  }

  call(x: Tensor): Tensor {
    return maxPool2d(x, this.window);
  }
}

/** Mean of each window of [H,W,C] samples; padding does not count. */
export class AveragePooling2D extends Pooling2D {
  readonly kind = 'AveragePooling2D';

  /** @throws ArgumentError for impossible options */
  constructor(options: Pooling2DOptions = {}, ...surplus: never[]) {
    super('AveragePooling2D', options, surplus);
  }

  call(x: Tensor): Tensor {
    return avgPool2d(x, this.window);
  }
}

/** Mean of each channel over all pixels: samples [H,W,C] -> [C]. */
export class GlobalAveragePooling2D extends Layer {
  readonly kind = 'GlobalAveragePooling2D';
  override readonly deterministic = true;

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super(checkLayerOptions('GlobalAveragePooling2D', options, layerOptionNames, surplus));
  }

  plan(inputShape: Shape) {
    return { outputShape: [imageShape(this.kind, inputShape)[2]], weights: [] };
  }

  call(x: Tensor): Tensor {
    return globalAveragePool2d(x);
  }
}
