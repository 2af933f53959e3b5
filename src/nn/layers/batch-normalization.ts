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
import { type FusionRole, fusionRole } from './fusion-role.ts';
import { type CallContext, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/** Options of `BatchNormalization`. */
export interface BatchNormalizationOptions extends LayerOptions {
  /**
   * Fraction of the moving statistics that is kept at a step. Default 0.99. PyTorch's `momentum` is 1 minus this.
   *
   * After n steps, `momentum ** n` of the initial statistics is left: with MobileNetV2's 0.999, 37 percent after 1,000 steps. Training
   * normalizes by the batches themselves, but evaluation then uses statistics that lag behind: after a short training, results are poor.
   * Train longer, give a smaller momentum, or freeze the layer.
   */
  momentum?: number;
  /** Added to the variance. Default 0.001; PyTorch's default is 0.00001. */
  epsilon?: number;
  /** Axis of the channels, counted as in Keras with the batch as axis 0. Default -1, the last. */
  axis?: number;
  /** Whether to add a weight `beta`. Default true. */
  center?: boolean;
  /** Whether to multiply by a weight `gamma`; not needed before a linear layer. Default true. */
  scale?: boolean;
  /** Default `zeros`. */
  betaInitializer?: InitializerName | Initializer;
  /** Default `ones`. */
  gammaInitializer?: InitializerName | Initializer;
  /** Default `zeros`. */
  movingMeanInitializer?: InitializerName | Initializer;
  /** Default `ones`. */
  movingVarianceInitializer?: InitializerName | Initializer;
  /** Penalty on beta, added to the loss and to its gradient. Default none. */
  betaRegularizer?: RegularizerName | Regularizer | null;
  /** Penalty on gamma. Default none. */
  gammaRegularizer?: RegularizerName | Regularizer | null;
}

/**
 * Normalizes each channel, as in Keras: in training by the batch's mean and variance, otherwise by the moving ones. The moving variance
 * averages biased variances (PyTorch's averages unbiased ones).
 *
 * A frozen layer (`trainable = false`) uses the moving statistics in training too and does not change them. If `axis` is not the last
 * one, a transposition before and one after are needed.
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
    for (const option of ['momentum', 'epsilon'] as const) {
      const value = this[option];
      if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
        throw new ArgumentError(`${this.kind}: ${option} must be a number from 0 to 1, but is ${formatValue(value)}`);
      }
      checkF32(`${this.kind}: ${option}`, value);
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

  /** Axis of the batch that holds the channels. @throws ShapeError if the samples do not have that axis */
  private channelAxis(inputShape: Shape): number {
    const rank = inputShape.length + 1;
    const axis = this.axis < 0 ? this.axis + rank : this.axis;
    if (axis >= 1 && axis < rank) return axis;
    if (rank === 1) throw new ShapeError(`${this.kind}: needs samples with channels, but gets single numbers`);
    throw new ShapeError(
      `${this.kind}: axis is ${this.axis}, but samples ${showShape(inputShape)} have axes 1 to ${rank - 1} (0 is the batch)`,
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
   * `call` followed by an activation, in the same kernel if the channels are the last axis.
   * @internal
   */
  normalize(x: Tensor, context: CallContext, activation?: NormActivation): Tensor {
    if (this.hasChannelsLast(x.shape)) return this.normalizeLast(x, context, activation);
    const y = this.call(x, context);
    return activation ? activate(activation, y) : y;
  }

  /**
   * Gamma, beta, moving statistics and epsilon, if the layer uses the moving statistics and the channels are the last axis of x; else null.
   * @internal
   */
  fixedNormalization({ shape }: Tensor, context: CallContext): FixedNormalization | null {
    if (this.usesBatchStatistics(context) || !this.hasChannelsLast(shape)) return null;
    const [scale, offset, mean, variance] = this.parameters(context).map(({ array }) => array);
    return { scale: scale!, offset: offset!, mean: mean!, variance: variance!, epsilon: this.epsilon };
  }

  /**
   * Weights of the convolution before the layer with the normalization folded in: see `foldBatchNorm`.
   * @internal
   */
  fold(filter: DeviceArray, bias: DeviceArray | null, normalization: FixedNormalization) {
    return foldBatchNorm(filter, bias, normalization);
  }

  /** Whether the channels are the last axis of a batch of that shape. */
  private hasChannelsLast(shape: Shape): boolean {
    return this.channelAxis(shape.slice(1)) === shape.length - 1;
  }

  /** Whether the layer uses the mean and variance of the batch. */
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

/** A constant of the shape, device and replicas of a weight [C]. */
const constantLike = ({ device, shape, replicas }: Tensor, value: number) =>
  new Tensor(fill(device, shape, value, { replicas }));
