import type { Tensor } from '../../autograd/tensor.ts';
import type { Shape } from '../../kernels/array.ts';
import type { Initializer } from '../initializers/initializers.ts';
import type { Regularizer } from '../regularizers.ts';

/** Description of a weight that a layer needs. */
export interface WeightSpec {
  /** Name in the layer, such as `kernel`. */
  name: string;
  /** Shape of one replica. */
  shape: Shape;
  /** Fills the weight when the model is built. */
  initializer: Initializer;
  /** Penalty on the weight, added to the loss and to its gradient. */
  regularizer?: Regularizer | undefined;
  /** False for a weight that no gradient changes, such as moving statistics: the layer writes to it. Default true. */
  trainable?: boolean;
  /**
   * The layer that the weight belongs to, which may be frozen. The model sets it.
   * @internal
   */
  layer?: { readonly trainable: boolean };
  /**
   * A weight of another model on the same device, whose values are the initial ones.
   * @internal
   */
  copyOf?: Weight | undefined;
  /**
   * Initial values, instead of those that the initializer draws: see `Model.setInitialWeights`.
   * @internal
   */
  initialValues?: InitialValues | undefined;
}

/** Values of a weight for all replicas, or a list with those of each; undefined for a replica that draws them. */
export type InitialValues = Float32Array | readonly (Float32Array | undefined)[];

/** A weight of a built model. */
export class Weight {
  /** Index of the first element in the store's flat `values` and `gradients`; null for a weight that is never trained. */
  readonly offset: number | null;

  /**
   * Weights are made by `Model.build`.
   * @internal
   */
  constructor(
    /** Layer and weight, such as `conv2d/kernel`. */
    readonly name: string,
    /** The layer's description of the weight. */
    readonly spec: WeightSpec,
    /** `leaf` and `frozen` share the elements. `leaf` takes part in backward passes; `frozen` replaces it while the layer is frozen. */
    private readonly leaf: Tensor,
    private readonly frozen: Tensor,
    offset: number | null,
  ) {
    this.offset = offset;
  }

  /** Whether training changes the weight: false if it is never trained, or while its layer has `trainable = false`. */
  get trainable(): boolean {
    return this.offset !== null && (this.spec.layer?.trainable ?? true);
  }

  /** The values. While not trainable, the tensor requires no gradient, so no gradient kernel runs for it. */
  get tensor(): Tensor {
    return this.trainable ? this.leaf : this.frozen;
  }

  /**
   * Clears the gradient.
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
