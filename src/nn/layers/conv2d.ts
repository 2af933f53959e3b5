import type { ActivationOptions } from '../../autograd/arguments.ts';
import { conv2d } from '../../autograd/conv2d/conv2d.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { checkPair, type Padding, type Pair, slideWindow } from '../../kernels/window.ts';
import { type ActivationName, activationName, applyUnfused, asFinalActivation, fusedOptions } from './activation.ts';
import { type FusionRole, fusionRole } from './fusion-role.ts';
import { imageShape, matchesSamePadding, type Paddings } from './images.ts';
import { type CallContext, type FinalActivation, Layer } from './layer.ts';
import {
  checkLayerOptions,
  checkPositiveInteger,
  type KernelOptions,
  type KernelSpecs,
  kernelOptionNames,
  kernelSpecs,
} from './options.ts';

/** Options of `Conv2D`. */
export interface Conv2DOptions extends KernelOptions {
  /** Number of filters and therefore of output channels. */
  filters: number;
  /** Rows and columns of the filters. */
  kernelSize: Pair;
  /** Pixels from one output to the next. Default 1. */
  strides?: Pair;
  /** 'same' as in TensorFlow: odd padding has the extra zero at the end. Default 'valid'. */
  padding?: Padding;
  /** Distance between the pixels that neighboring weights see. Default 1. */
  dilationRate?: Pair;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName;
}

/** 2-D convolution of [H,W,C] samples, with bias. Default: Glorot-uniform kernel and zero bias, as in Keras. */
export class Conv2D extends Layer {
  readonly kind = 'Conv2D';
  override readonly deterministic = true;
  private readonly filters: number;
  private readonly kernelSize: [number, number];
  private readonly strides: [number, number];
  private readonly padding: Padding;
  private readonly dilation: [number, number];
  private readonly activation: ActivationName;
  private readonly specs: KernelSpecs;

  /** @throws ArgumentError for impossible options */
  constructor(options: Conv2DOptions, ...surplus: never[]) {
    super(
      checkLayerOptions(
        'Conv2D',
        options,
        {
          ...kernelOptionNames,
          filters: true,
          kernelSize: true,
          strides: true,
          padding: true,
          dilationRate: true,
          activation: true,
        },
        surplus,
      ),
    );
    this.filters = checkPositiveInteger(this.kind, 'filters', options.filters);
    this.kernelSize = checkPair(this.kind, 'kernelSize', options.kernelSize);
    this.strides = checkPair(this.kind, 'strides', options.strides ?? 1);
    this.padding = options.padding ?? 'valid';
    this.dilation = checkPair(this.kind, 'dilationRate', options.dilationRate ?? 1);
    this.specs = kernelSpecs(this.kind, options);
    this.activation = activationName(this.kind, options.activation);
  }

  get [fusionRole](): FusionRole {
    return { role: 'convolution', Class: Conv2D };
  }

  plan(inputShape: Shape) {
    const [h, w, channels] = imageShape(this.kind, inputShape);
    const kernel: Shape = [...this.kernelSize, channels, this.filters];
    const shapes = `input ${showShape(inputShape)}, filter ${showShape(kernel)}`;
    const { size } = slideWindow(this.kind, [h, w], this.kernelSize, this.strides, this.dilation, this.padding, shapes);
    return {
      outputShape: [...size, this.filters],
      weights: [
        { name: 'kernel', shape: kernel, ...this.specs.kernel },
        ...(this.specs.useBias ? [{ name: 'bias', shape: [this.filters], ...this.specs.bias }] : []),
      ],
    };
  }

  override get finalActivation(): FinalActivation | null {
    return asFinalActivation(this.activation);
  }

  /**
   * Whether the layer has no activation.
   * @internal
   */
  get isLinear(): boolean {
    return this.activation === 'linear';
  }

  /**
   * Whether padding 'same' on x [N,H,W,C] equals those zeros around x followed by the layer's padding.
   * @internal
   */
  matchesSamePadding(shape: Shape, paddings: Paddings): boolean {
    const { strides, dilation } = this;
    return this.padding === 'valid' && matchesSamePadding(shape, paddings, this.kernelSize, strides, dilation);
  }

  call(x: Tensor, context: CallContext): Tensor {
    return this.callPadded(x, context, this.padding);
  }

  /**
   * The same with another padding.
   * @internal
   */
  callPadded(x: Tensor, { weights }: CallContext, padding: Padding): Tensor {
    return applyUnfused(this.activation, this.convolve(x, weights, { ...fusedOptions(this.activation), padding }));
  }

  /** The output before a softmax or sigmoid. */
  override callLogits(x: Tensor, context: CallContext): Tensor {
    return this.finalActivation ? this.convolve(x, context.weights, {}) : this.call(x, context);
  }

  /**
   * The convolution with a given kernel and optional bias, with an activation in the epilogue.
   * @internal
   */
  convolve(
    x: Tensor,
    [kernel, bias]: readonly Tensor[],
    { padding = this.padding, ...activation }: ActivationOptions & { padding?: Padding | undefined },
  ): Tensor {
    const { strides, dilation } = this;
    return conv2d(x, kernel!, bias ?? null, { strides, padding, dilation, ...activation });
  }
}
