import { batchNorm, batchNormInference } from '../../autograd/norm/batch-norm.ts';
import { transpose } from '../../autograd/shape/shape.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { checkF32, checkFlag, formatValue } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, type Shape, showShape } from '../../kernels/array.ts';
import type { NormActivation } from '../../kernels/norm/batch-norm.ts';
import { type FixedNormalization, foldBatchNorm } from '../../kernels/norm/fold-batch-norm.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import { type Initializer, type InitializerName, initializerOf } from '../initializers/initializers.ts';
import { type Regularizer, type RegularizerName, regularizerOf } from '../regularizers.ts';
import type { WeightSpec } from '../weights/weight.ts';
import { activate } from './activation.ts';
import { type FusionRole, fusionRole } from './fusing.ts';
import { type CallContext, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/** Options of `BatchNormalization`. */
export interface BatchNormalizationOptions extends LayerOptions {
  /**
   * Share of the moving statistics that stays at a step. Default 0.99. PyTorch's `momentum` is the other share. After n steps, `momentum ** n` of
   * what they began with is left: with MobileNetV2's 0.999, 37 percent after 1,000 steps. A short training, whose own batches are normalized by
   * themselves, is then measured by statistics that lag behind; train longer, take less momentum, or freeze the layer.
   */
  momentum?: number;
  /** Added to the variance. Default 0.001; PyTorch has 0.00001. */
  epsilon?: number;
  /** The axis of the channels, counted as Keras does with the batch as axis 0. Default -1, the last. */
  axis?: number;
  /** Whether there is a `beta` to add. Default true. */
  center?: boolean;
  /** Whether there is a `gamma` to multiply by; before a layer that is linear it may go. Default true. */
  scale?: boolean;
  /** Default `zeros`. */
  betaInitializer?: InitializerName | Initializer;
  /** Default `ones`. */
  gammaInitializer?: InitializerName | Initializer;
  /** Default `zeros`. */
  movingMeanInitializer?: InitializerName | Initializer;
  /** Default `ones`. */
  movingVarianceInitializer?: InitializerName | Initializer;
  /** A penalty on beta, in the loss and in its gradient. Default none. */
  betaRegularizer?: RegularizerName | Regularizer | null;
  /** The same for gamma. */
  gammaRegularizer?: RegularizerName | Regularizer | null;
}

/**
 * Normalises each channel, as Keras does: in training by the batch's own mean and variance, else by the moving ones, which take
 * in the biased variance (PyTorch's take the unbiased one). Frozen (`trainable = false`), it uses the moving statistics in
 * training too and leaves them alone. Another `axis` than the last costs a transposition before and one after.
 */
export class BatchNormalization extends Layer {
  readonly kind = 'BatchNormalization';
  override readonly deterministic = true;
  private readonly momentum: number;
  private readonly epsilon: number;
  private readonly axis: number;
  private readonly specs: readonly (Omit<WeightSpec, 'shape'> & { isUsed: boolean })[];

  /** @throws ArgumentError for impossible options */
  constructor(options: BatchNormalizationOptions = {}, ...surplus: never[]) {
    super(
      checkLayerOptions(
        'BatchNormalization',
        options,
        {
          ...layerOptionNames,
          momentum: true,
          epsilon: true,
          axis: true,
          center: true,
          scale: true,
          betaInitializer: true,
          gammaInitializer: true,
          movingMeanInitializer: true,
          movingVarianceInitializer: true,
          betaRegularizer: true,
          gammaRegularizer: true,
        },
        surplus,
      ),
    );
    this.momentum = options.momentum ?? 0.99;
    this.epsilon = options.epsilon ?? 1e-3;
    for (const subject of ['momentum', 'epsilon'] as const) {
      const value = this[subject];
      if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
        throw new ArgumentError(`${this.kind}: ${subject} must be a number from 0 to 1, but is ${formatValue(value)}`);
      }
      checkF32(`${this.kind}: ${subject}`, value);
    }
    this.axis = options.axis ?? -1;
    if (!Number.isInteger(this.axis)) {
      throw new ArgumentError(`${this.kind}: axis must be an integer, but is ${formatValue(options.axis)}`);
    }
    const spec = (name: string, option: keyof BatchNormalizationOptions, defaultName: InitializerName) => ({
      name,
      initializer: initializerOf(
        `${this.kind}: ${option}`,
        (options[option] as InitializerName | Initializer | undefined) ?? defaultName,
      ),
    });
    this.specs = [
      {
        ...spec('gamma', 'gammaInitializer', 'ones'),
        regularizer: regularizerOf(`${this.kind}: gammaRegularizer`, options.gammaRegularizer),
        isUsed: checkFlag(this.kind, 'scale', options.scale ?? true),
      },
      {
        ...spec('beta', 'betaInitializer', 'zeros'),
        regularizer: regularizerOf(`${this.kind}: betaRegularizer`, options.betaRegularizer),
        isUsed: checkFlag(this.kind, 'center', options.center ?? true),
      },
      { ...spec('moving_mean', 'movingMeanInitializer', 'zeros'), trainable: false, isUsed: true },
      { ...spec('moving_variance', 'movingVarianceInitializer', 'ones'), trainable: false, isUsed: true },
    ];
  }

  get [fusionRole](): FusionRole {
    return { role: 'normalization', Class: BatchNormalization };
  }

  /** Which axis of the batch holds the channels. @throws ShapeError where there is none */
  private channelAxis(inputShape: Shape): number {
    const rank = inputShape.length + 1;
    const axis = this.axis < 0 ? this.axis + rank : this.axis;
    if (axis >= 1 && axis < rank) return axis;
    if (rank === 1) throw new ShapeError(`${this.kind}: needs samples with channels, but gets single numbers`);
    throw new ShapeError(
      `${this.kind}: axis ${this.axis} is none of samples ${showShape(inputShape)}, whose axes are 1 to ${rank - 1} after the batch`,
    );
  }

  plan(inputShape: Shape) {
    const shape = [inputShape[this.channelAxis(inputShape) - 1]!];
    const weights = this.specs.filter(({ isUsed }) => isUsed).map(({ isUsed, ...spec }) => ({ ...spec, shape }));
    return { outputShape: inputShape, weights };
  }

  call(x: Tensor, context: CallContext): Tensor {
    const axis = this.channelAxis(x.shape.slice(1));
    if (axis === x.shape.length - 1) return this.normalizeLast(x, context);
    const others = x.shape.map((_, d) => d).filter((d) => d !== axis);
    const order = [...others, axis];
    return transpose(
      this.normalizeLast(transpose(x, order), context),
      order.map((_, d) => order.indexOf(d)),
    );
  }

  /**
   * The same with an activation of the result, in one store if the channels are along the last axis.
   * @internal
   */
  normalize(x: Tensor, context: CallContext, activation?: NormActivation): Tensor {
    if (this.hasChannelsLast(x.shape)) return this.normalizeLast(x, context, activation);
    const y = this.call(x, context);
    return activation ? activate(activation, y) : y;
  }

  /**
   * By what it normalizes if these are the moving statistics, and the channels are along the last axis of so many as x has; else null.
   * @internal
   */
  fixedNormalization({ shape }: Tensor, context: CallContext): FixedNormalization | null {
    if (this.usesBatchStatistics(context) || !this.hasChannelsLast(shape)) return null;
    const [scale, offset, mean, variance] = this.parameters(context).map(({ array }) => array);
    return { scale: scale!, offset: offset!, mean: mean!, variance: variance!, epsilon: this.epsilon };
  }

  /**
   * The weights of the convolution before it with the normalization in them: see `foldBatchNorm`.
   * @internal
   */
  fold(filter: DeviceArray, bias: DeviceArray | null, normalization: FixedNormalization) {
    return foldBatchNorm(filter, bias, normalization);
  }

  /** Of a batch of that shape. */
  private hasChannelsLast(shape: Shape): boolean {
    return this.channelAxis(shape.slice(1)) === shape.length - 1;
  }

  /** Whether it uses the mean and variance of the batch. */
  private usesBatchStatistics({ training }: CallContext): boolean {
    return training && this.trainable;
  }

  /** Gamma, beta, moving mean and moving variance. */
  private parameters({ weights }: CallContext): [Tensor, Tensor, Tensor, Tensor] {
    const given = [...weights];
    return this.specs.map(({ name, isUsed }) =>
      isUsed ? given.shift() : constantLike(weights.at(-1)!, name === 'gamma' ? 1 : 0),
    ) as [Tensor, Tensor, Tensor, Tensor];
  }

  /** x [..., channels]. */
  private normalizeLast(x: Tensor, context: CallContext, activation?: NormActivation): Tensor {
    const [gamma, beta, mean, variance] = this.parameters(context);
    const { epsilon, momentum } = this;
    return this.usesBatchStatistics(context)
      ? batchNorm(x, gamma, beta, { epsilon, momentum, running: { mean, variance }, activation })
      : batchNormInference(x, gamma, beta, mean, variance, { epsilon, activation });
  }
}

/** For each channel the same value, which nothing trains; the first argument is a weight [C]. */
const constantLike = ({ device, shape, models }: Tensor, value: number) =>
  new Tensor(fill(device, shape, value, { models }));
