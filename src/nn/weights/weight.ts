import type { Tensor } from '../../autograd/tensor.ts';
import type { Shape } from '../../kernels/array.ts';
import type { Initializer } from '../initializers/initializers.ts';
import type { Regularizer } from '../regularizers.ts';

/** A weight that a layer asks for. */
export interface WeightSpec {
  /** Its name in the layer, such as `kernel`. */
  name: string;
  /** Its shape, of one replica. */
  shape: Shape;
  /** Fills it when the model is built. */
  initializer: Initializer;
  /** A penalty on it in the loss and in its gradient. */
  regularizer?: Regularizer | undefined;
  /** False for what no gradient changes, such as running statistics; the layer writes to it itself. Default true. */
  trainable?: boolean;
  /**
   * The layer it belongs to, which may be frozen; the model fills it in.
   * @internal
   */
  layer?: { readonly trainable: boolean };
  /**
   * The weight of another model on the same device that it begins as a copy of.
   * @internal
   */
  copyOf?: Weight | undefined;
  /**
   * What it begins with instead of what the initializer draws: see `Model.setInitialWeights`.
   * @internal
   */
  initialValues?: InitialValues | undefined;
}

/** Values of a weight in every replica, or of each; undefined for one that draws them. */
export type InitialValues = Float32Array | readonly (Float32Array | undefined)[];

/** A weight of a built model. */
export class Weight {
  /** Where its elements begin in the store's flat `values` and `gradients`; null for what is never trained. */
  readonly offset: number | null;

  /**
   * Weights are made by `Model.build`.
   * @internal
   */
  constructor(
    /** Layer and weight, such as `conv2d/kernel`. */
    readonly name: string,
    /** What the layer asked for. */
    readonly spec: WeightSpec,
    /** Both share the elements: the first takes part in backward passes, the second stands in while the layer is frozen. */
    private readonly leaf: Tensor,
    private readonly frozen: Tensor,
    offset: number | null,
  ) {
    this.offset = offset;
  }

  /** Whether training changes it: not if its kind is never trained, nor while its layer has `trainable = false`. */
  get trainable(): boolean {
    return this.offset !== null && (this.spec.layer?.trainable ?? true);
  }

  /** The values; without gradient while not trainable, so that no gradient kernel runs for them. */
  get tensor(): Tensor {
    return this.trainable ? this.leaf : this.frozen;
  }

  /**
   * Forgets the gradient.
   * @internal
   */
  zeroGrad(): void {
    this.leaf.grad = null;
  }

  /**
   * Releases the values and the gradient.
   * @internal
   */
  dispose(): void {
    this.leaf.gradBuffer?.dispose();
    this.leaf.dispose();
  }
}
