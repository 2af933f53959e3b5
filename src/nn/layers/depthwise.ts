import { depthwiseConv2d } from '../../autograd/depthwise/depthwise.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkFlag } from '../../base/check.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { checkPair, type Padding, type Pair, slideWindow } from '../../kernels/window.ts';
import { type Initializer, type InitializerName, initializerOf } from '../initializers/initializers.ts';
import { type Regularizer, type RegularizerName, regularizerOf } from '../regularizers.ts';
import { type ActivationName, activate, activationName, asFinalActivation } from './activation.ts';
import { type FusionRole, fusionRole } from './fusion-role.ts';
import { imageShape, matchesSamePadding, type Paddings } from './images.ts';
import { type CallContext, type FinalActivation, Layer } from './layer.ts';
import { checkLayerOptions, checkPositiveInteger, type LayerOptions, layerOptionNames } from './options.ts';

/** Options of `DepthwiseConv2D`. */
export interface DepthwiseConv2DOptions extends LayerOptions {
  /** Rows and columns of the filters. */
  kernelSize: Pair;
  /** Pixels from one output to the next. Default 1. */
  strides?: Pair;
  /** 'same' as in TensorFlow: odd padding has the extra zero at the end. Default 'valid'. */
  padding?: Padding;
  /** Number of filters and therefore of output channels for each input channel. Default 1. */
  depthMultiplier?: number;
  /** Distance between the pixels that neighboring weights see. Default 1. */
  dilationRate?: Pair;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName;
  /** Whether there is a bias. Default true. */
  useBias?: boolean;
  /** Initializer of the kernel: a name or a function. Default `glorotUniform`. */
  depthwiseInitializer?: InitializerName | Initializer;
  /** Initializer of the bias: a name or a function. Default `zeros`. */
  biasInitializer?: InitializerName | Initializer;
  /** Penalty on the kernel. Default none. */
  depthwiseRegularizer?: RegularizerName | Regularizer | null;
}

/** Convolution of each channel with separate filters: samples [H,W,C] -> [OH,OW,C * depthMultiplier]. */
export class DepthwiseConv2D extends Layer {
  readonly kind = 'DepthwiseConv2D';
  override readonly deterministic = true;
  private readonly kernelSize: [number, number];
  private readonly window: { strides: [number, number]; padding: Padding; dilation: [number, number] };
  private readonly multiplier: number;
  private readonly activation: ActivationName;
  private readonly useBias: boolean;
  private readonly kernel: { initializer: Initializer; regularizer: Regularizer | undefined };
  private readonly biasInitializer: Initializer;

  /** @throws ArgumentError for impossible options */
  constructor(options: DepthwiseConv2DOptions, ...surplus: never[]) {
    super(
      checkLayerOptions(
        'DepthwiseConv2D',
        options,
        {
          ...layerOptionNames,
          kernelSize: true,
          strides: true,
          padding: true,
          depthMultiplier: true,
          dilationRate: true,
          activation: true,
          useBias: true,
          depthwiseInitializer: true,
          biasInitializer: true,
          depthwiseRegularizer: true,
        },
        surplus,
      ),
    );
    const { kind } = this;
    this.kernelSize = checkPair(kind, 'kernelSize', options.kernelSize);
    this.window = {
      strides: checkPair(kind, 'strides', options.strides ?? 1),
      padding: options.padding ?? 'valid',
      dilation: checkPair(kind, 'dilationRate', options.dilationRate ?? 1),
    };
    this.multiplier = checkPositiveInteger(kind, 'depthMultiplier', options.depthMultiplier ?? 1);
    this.activation = activationName(kind, options.activation);
    this.useBias = checkFlag(kind, 'useBias', options.useBias ?? true);
    this.kernel = {
      initializer: initializerOf(`${kind}: depthwiseInitializer`, options.depthwiseInitializer ?? 'glorotUniform'),
      regularizer: regularizerOf(`${kind}: depthwiseRegularizer`, options.depthwiseRegularizer),
    };
    this.biasInitializer = initializerOf(`${kind}: biasInitializer`, options.biasInitializer ?? 'zeros');
  }

  get [fusionRole](): FusionRole {
    return { role: 'convolution', Class: DepthwiseConv2D };
  }

  plan(inputShape: Shape) {
    const [h, w, channels] = imageShape(this.kind, inputShape);
    const shape: Shape = [...this.kernelSize, channels, this.multiplier];
    const shapes = `input ${showShape(inputShape)}, filter ${showShape(shape)}`;
    const { strides, padding, dilation } = this.window;
    const { size } = slideWindow(this.kind, [h, w], this.kernelSize, strides, dilation, padding, shapes);
    const outputs = channels * this.multiplier;
    const bias = { name: 'bias', shape: [outputs], initializer: this.biasInitializer };
    return {
      outputShape: [...size, outputs],
      weights: [{ name: 'kernel', shape, ...this.kernel }, ...(this.useBias ? [bias] : [])],
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
    const { padding, strides, dilation } = this.window;
    return padding === 'valid' && matchesSamePadding(shape, paddings, this.kernelSize, strides, dilation);
  }

  call(x: Tensor, context: CallContext): Tensor {
    return this.callPadded(x, context, this.window.padding);
  }

  /**
   * `call` with another padding.
   * @internal
   */
  callPadded(x: Tensor, { weights }: CallContext, padding: Padding): Tensor {
    return activate(this.activation, this.convolve(x, weights, { padding }));
  }

  /** The output before a softmax or sigmoid. */
  override callLogits(x: Tensor, context: CallContext): Tensor {
    return this.finalActivation ? this.convolve(x, context.weights, {}) : this.call(x, context);
  }

  /**
   * The convolution with a given kernel and optional bias, followed by an activation.
   * @internal
   */
  convolve(
    x: Tensor,
    [kernel, bias]: readonly Tensor[],
    {
      padding = this.window.padding,
      activation,
    }: { padding?: Padding | undefined; activation?: ActivationName | undefined },
  ): Tensor {
    const y = depthwiseConv2d(x, kernel!, bias ?? null, { ...this.window, padding });
    return activation ? activate(activation, y) : y;
  }
}
