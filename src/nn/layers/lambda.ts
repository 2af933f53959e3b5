import { Tensor } from '../../autograd/tensor.ts';
import { checkFirst, checkFlag, formatValue } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import type { LayerConfig } from './config.ts';
import { Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/** Options of `Lambda`. */
export interface LambdaOptions extends LayerOptions {
  /** Shape of one sample of the result, or a function of the input's shape. Default: the input's shape. */
  outputShape?: Shape | ((inputShape: Shape) => Shape);
  /** Whether the function always returns the same result for the same x, in training too: see `Layer.deterministic`. Default false. */
  deterministic?: boolean;
}

/** Any composition of operators as a layer without weights: `new Lambda((x) => resize(x, [64, 64]), { outputShape: [64, 64, 3] })`. */
export class Lambda extends Layer {
  readonly kind: string = 'Lambda';
  private readonly outputShape: LambdaOptions['outputShape'];
  override readonly deterministic: boolean;

  /**
   * @param f maps a batch [N, ...inputShape] to [N, ...outputShape]
   * @throws ArgumentError unless `f` is a function
   */
  constructor(
    private readonly f: (
      x: Tensor,
      context: {
        /** Whether `fit` calls it. */
        training: boolean;
      },
    ) => Tensor,
    options: LambdaOptions = {},
    ...surplus: never[]
  ) {
    super(
      checkLayerOptions('Lambda', options, { ...layerOptionNames, outputShape: true, deterministic: true }, surplus),
    );
    checkFirst('Lambda', 'function comes', f, 'new Lambda((x) => relu(x), { inputShape })');
    this.outputShape = options.outputShape;
    this.deterministic = checkFlag('Lambda', 'deterministic', options.deterministic ?? false);
    if (typeof f !== 'function')
      throw new ArgumentError(`Lambda: needs a function of a tensor, but was given ${formatValue(f)}`);
  }

  plan(inputShape: Shape) {
    const { outputShape = inputShape } = this;
    return { outputShape: typeof outputShape === 'function' ? outputShape(inputShape) : outputShape, weights: [] };
  }

  /** @throws ArgumentError always; a subclass may override it */
  override getConfig(): LayerConfig {
    throw new ArgumentError(
      `${this.name ?? this.kind}: a Lambda holds a function, which a file cannot hold. Write a layer class with ` +
        '`kind` and `getConfig`, which loadModel takes as customLayers, or use saveWeights and create the model in code',
    );
  }

  /** @throws ShapeError if the function's result does not have the declared shape */
  call(x: Tensor, { training }: { training: boolean }): Tensor {
    const y = this.f(x, { training });
    const { outputShape } = this.plan(x.shape.slice(1));
    if (!(y instanceof Tensor) || !sameShape(y.shape, [x.shape[0]!, ...outputShape])) {
      throw new ShapeError(
        `Lambda: declares outputShape ${showShape(outputShape)} for a batch of ${x.shape[0]}, ` +
          `but the function returned ${y instanceof Tensor ? showShape(y.shape) : formatValue(y)}`,
      );
    }
    return y;
  }
}
