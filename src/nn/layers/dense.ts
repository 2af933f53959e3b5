import { linear } from '../../autograd/linear.ts';
import { softmax } from '../../autograd/softmax.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
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

export interface DenseOptions extends KernelOptions {
  units: number;
  activation?: Activation;
}

/** A fully connected layer: act(x w + b), by default with a Glorot-uniform kernel and zero bias, as Keras has them. */
export class Dense extends Layer {
  readonly kind = 'Dense';
  readonly activation: Activation;
  private readonly units: number;
  private readonly specs: KernelSpecs;

  /** @throws ArgumentError for impossible options */
  constructor(options: DenseOptions) {
    super(options);
    this.units = positive(this.kind, 'units', options.units);
    this.specs = kernelSpecs(this.kind, options);
    this.activation = activationOf(this.kind, options.activation, ['linear', 'relu', 'softmax'] as const);
  }

  plan(inputShape: Shape) {
    if (inputShape.length !== 1) {
      throw new ShapeError(
        `Dense: needs samples of one axis, but gets ${showShape(inputShape)}; put a Flatten layer before it`,
      );
    }
    return {
      outputShape: [this.units],
      weights: [
        { name: 'kernel', shape: [inputShape[0]!, this.units], ...this.specs.kernel },
        ...(this.specs.useBias ? [{ name: 'bias', shape: [this.units], ...this.specs.bias }] : []),
      ],
    };
  }

  call(x: Tensor, context: CallContext): Tensor {
    const y = this.callLogits(x, context);
    return this.activation === 'softmax' ? softmax(y) : y;
  }

  /** The output before a softmax: what a cross-entropy wants, being exact where probabilities under- or overflow. */
  callLogits(x: Tensor, { weights: [kernel, bias] }: CallContext): Tensor {
    return linear(x, kernel!, bias ?? null, { activation: this.activation === 'relu' ? 'relu' : undefined });
  }
}
