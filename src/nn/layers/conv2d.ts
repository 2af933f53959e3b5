import { conv2d } from '../../autograd/conv2d.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { type Padding, type Pair, pair, slide } from '../../kernels/window.ts';
import {
  type Activation,
  activationOf,
  type CallContext,
  type KernelOptions,
  type KernelSpecs,
  kernelSpecs,
  Layer,
  positive,
} from './layer.ts';

export interface Conv2DOptions extends KernelOptions {
  filters: number;
  kernelSize: Pair;
  strides?: Pair;
  padding?: Padding;
  activation?: Exclude<Activation, 'softmax'>;
}

/** 2-D convolution over [H,W,C] samples, with bias: by default a Glorot-uniform kernel and zero bias, as Keras has them. */
export class Conv2D extends Layer {
  readonly kind = 'Conv2D';
  private readonly filters: number;
  private readonly kernelSize: [number, number];
  private readonly strides: [number, number];
  private readonly padding: Padding;
  private readonly activation: 'linear' | 'relu';
  private readonly specs: KernelSpecs;

  /** @throws ArgumentError for impossible options */
  constructor(options: Conv2DOptions) {
    super(options);
    this.filters = positive(this.kind, 'filters', options.filters);
    this.kernelSize = pair(this.kind, 'kernelSize', options.kernelSize);
    this.strides = pair(this.kind, 'strides', options.strides ?? 1);
    this.padding = options.padding ?? 'valid';
    this.specs = kernelSpecs(this.kind, options);
    this.activation = activationOf(this.kind, options.activation, ['linear', 'relu'] as const);
  }

  plan(inputShape: Shape) {
    if (inputShape.length !== 3) {
      throw new ShapeError(
        `Conv2D: needs samples of shape [height, width, channels], but gets ${showShape(inputShape)}`,
      );
    }
    const [h, w, channels] = inputShape as [number, number, number];
    const kernel: Shape = [...this.kernelSize, channels, this.filters];
    const shapes = `input ${showShape(inputShape)}, filter ${showShape(kernel)}`;
    const { size } = slide(this.kind, [h, w], this.kernelSize, this.strides, [1, 1], this.padding, shapes);
    return {
      outputShape: [...size, this.filters],
      weights: [
        { name: 'kernel', shape: kernel, ...this.specs.kernel },
        { name: 'bias', shape: [this.filters], ...this.specs.bias },
      ],
    };
  }

  call(x: Tensor, { weights: [kernel, bias] }: CallContext): Tensor {
    const activation = this.activation === 'relu' ? 'relu' : undefined;
    return conv2d(x, kernel!, bias!, { strides: this.strides, padding: this.padding, activation });
  }
}
