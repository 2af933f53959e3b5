import type { Tensor } from '../../autograd/tensor.ts';
import {
  checkFlag,
  checkObject,
  checkPositiveShape,
  formatValue,
  type OptionNames,
  readList,
  tryRead,
} from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Seeds } from '../../base/random.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import { initializerOf } from '../initializers/initializers.ts';
import { regularizerOf } from '../regularizers.ts';
import { memberName } from '../renamed-member.ts';
import type { WeightSpec } from '../weights/weight.ts';
import { type LayerConfig, toJsonOptions } from './config.ts';
import { checkCommonOptions, type LayerOptions, layerOptionNames } from './options.ts';

/**
 * Activations at the end of a model that a cross-entropy skips: it is computed from the logits before them.
 * @inline
 */
export type FinalActivation = 'softmax' | 'sigmoid';

/** Second argument of `Layer.call`. */
export interface CallContext {
  /** The layer's weights, in the order of its `plan`. */
  weights: readonly Tensor[];
  /** True in `fit`, false in `evaluate` and `predict`. */
  training: boolean;
  /** What determines the numbers of random layers. See `dropout`. */
  random: {
    /** The seed of the call. */
    seed: Seeds;
    /** Index of the layer in the model. */
    layer: number;
    /** Number of the training step, from 1; in a recorded step, the uniform that holds it. */
    step: number | StepState;
  };
}

/** Options of a model's `call`. */
export interface CallOptions {
  /** True as in `fit`, false (the default) as in `evaluate` and `predict`. */
  training?: boolean;
  /** Seed of the random layers in training, used together with `step`; a list has one for each replica. Default 0. */
  seed?: Seeds;
  /**
   * Number of the training step, from 1; in a recorded step, the uniform that holds it. By default each call in training draws other
   * numbers: by the next step of the optimizer created with the model's `parameters`, or without one by the number of the call.
   */
  step?: number | StepState;
}
export const callOptionNames: OptionNames<CallOptions> = { training: true, seed: true, step: true };

let symbolCount = 0;

/**
 * A placeholder that `input` and `layer.apply` return while a model is put together. It holds the shape of one sample and the layer
 * that computes it.
 */
export class SymbolicTensor {
  /**
   * Order of creation: a tensor is never computed from one with a higher serial.
   * @internal
   */
  readonly serial = symbolCount++;

  /** Name in messages, even if a bundler renames the class. */
  readonly [Symbol.toStringTag] = 'SymbolicTensor';

  /**
   * Created by `input` and by `apply` of layers. @throws ArgumentError unless the shape is a list
   * @internal
   */
  constructor(
    /** Shape of one sample, without the batch. */
    readonly shape: Shape,
    /**
     * The layer that computes it, with the layer's inputs; null for an input.
     * @internal
     */
    readonly source: { layer: Layer; inputs: readonly SymbolicTensor[]; weights: readonly WeightSpec[] } | null = null,
  ) {
    if (!readList('SymbolicTensor', shape)) {
      throw new ArgumentError(`SymbolicTensor: create it with input(shape); the shape given is ${formatValue(shape)}`);
    }
  }
}

/** A layer in a model: its unique name, and its inputs and shapes (without the batch) at its first use. */
export interface PlannedLayer {
  /** The layer itself. */
  layer: Layer;
  /** Its name in the model, such as `conv2d_1`. */
  name: string;
  /** Names of the layers whose outputs it takes; `input` for the model's input. */
  inbound: readonly string[];
  /** Shape of one sample of its output. */
  outputShape: Shape;
  /** The weights of its plan. */
  weights: readonly WeightSpec[];
}

/** One use of a layer. Values are numbered: 0 is the model's input, i + 1 the output of use i. */
export interface Use {
  /** Index among the layers. */
  layer: number;
  /** Numbers of its input values. */
  inputs: readonly number[];
}

/** A model's layers, each once, and their uses in topological order. */
export interface Graph {
  layers: readonly PlannedLayer[];
  uses: readonly Use[];
  /** Shape of one sample of each value: the input's, then each use's output. */
  shapes: readonly Shape[];
  inputShape: Shape;
  outputShape: Shape;
}

/** A layer of a model. Layers hold no tensors: the model owns the weights and passes them to `call`. */
export abstract class Layer {
  /** Name of the class as in Keras, for `summary()`. */
  abstract readonly kind: string;
  /** Name as given. Default: set by the first model that contains the layer, as in Keras: `conv2d_1`. */
  name: string | undefined;
  /** Whether the name was given, so no model may change it. */
  readonly named: boolean;
  /** Shape of one sample, without the batch, as given; otherwise undefined. */
  readonly inputShape: Shape | undefined;
  private frozen: boolean;
  private isRecomputed: boolean;
  /** As given to the constructor. */
  readonly #options: LayerOptions;

  /**
   * @param options all options of the layer, which `getConfig` returns. This class checks only the common ones; tilegrad's layers
   *   throw for unknown options
   * @throws ArgumentError unless `options` is an object, and for options of the wrong type
   */
  constructor(options: LayerOptions = {}) {
    checkObject('Layer', options, Object.keys(layerOptionNames)); // not the class's name, which a bundler may change
    this.#options = tryRead('Layer', () => ({ ...options }));
    const { name, inputShape, trainable = true, recompute = false } = checkCommonOptions('Layer', options);
    this.name = name;
    this.named = name !== undefined;
    this.inputShape = inputShape;
    this.frozen = !trainable;
    this.isRecomputed = recompute;
  }

  /** Name in messages, even if a bundler renames the class. */
  get [Symbol.toStringTag](): string {
    return this.kind;
  }

  /**
   * False freezes the layer's weights: from the next `fit` or `trainOnBatch` on, no gradient is computed for them and no optimizer changes
   * them. `compile` need not be called again. A frozen `BatchNormalization` uses its moving statistics in training too. The optimizer
   * keeps its slots of frozen weights, for when they are trained again.
   */
  get trainable(): boolean {
    return !this.frozen;
  }

  /** @throws ArgumentError unless it is true or false */
  set trainable(trainable: boolean) {
    this.frozen = !checkFlag(this.name ?? this.kind, 'trainable', trainable);
  }

  /**
   * Whether training keeps less of this layer and computes it again in the backward pass (activation checkpointing,
   * https://arxiv.org/abs/1604.06174): less memory for up to a third more time. Consecutive layers with `recompute` are divided into
   * segments, and only the values between segments are kept. Weights after training have the same bits. Default false.
   *
   * `model.recompute = true` sets it for every layer. It takes effect from the next `fit` or `trainOnBatch` on. The `call` of a custom layer
   * must return the same values again for the same inputs, and runs twice.
   */
  get recompute(): boolean {
    return this.isRecomputed;
  }

  /** @throws ArgumentError unless it is true or false */
  set recompute(recompute: boolean) {
    this.isRecomputed = checkFlag(this.name ?? this.kind, 'recompute', recompute);
  }

  /**
   * Whether the output depends only on the input and the weights, in training too, so that `cacheFeatures` of `fit` may compute it once.
   * Default false; a custom layer sets it with `override readonly deterministic = true`.
   */
  readonly deterministic: boolean = false;

  /**
   * The graph of a model, which is called layer by layer; null for any other layer.
   * @internal
   */
  get nested(): Graph | null {
    return null;
  }

  /** The softmax or sigmoid that the layer ends in, else null. `callLogits` returns the logits before it. */
  get finalActivation(): FinalActivation | null {
    return null;
  }

  /**
   * The older name of `finalActivation`.
   * @deprecated Use `finalActivation`.
   */
  get endsIn(): FinalActivation | null {
    return this.finalActivation;
  }

  /**
   * The layer's options as JSON, from which the layer can be created again. A layer whose constructor takes more than options overrides
   * this method.
   * @throws ArgumentError for an option that JSON cannot hold, such as a function
   */
  getConfig(): LayerConfig {
    const { name, trainable: _, recompute: __, ...options } = toJsonOptions(this.name ?? this.kind, this.#options);
    return {
      ...options,
      ...(this.trainable ? {} : { trainable: false }),
      ...(this.recompute ? { recompute: true } : {}),
      ...(this.name ? { name: this.name } : {}),
    };
  }

  /**
   * Number of layer indices that it takes when random layers are numbered: 1, or for a model the number of its layers.
   * @internal
   */
  get layerIndexCount(): number {
    return 1;
  }

  /**
   * Applies the layer to one symbolic input, or to a list if the layer takes several.
   * @throws ShapeError if the layer does not support that input; ArgumentError for anything that `input` or `apply` did not return
   */
  apply(inputs: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    const list = (inputs instanceof SymbolicTensor ? [inputs] : readList(this.kind, inputs)) as SymbolicTensor[] | null;
    if (!list || list.length === 0 || !list.every((one) => one instanceof SymbolicTensor)) {
      throw new ArgumentError(
        `${this.kind}: apply takes what input() or another layer's apply() returned, but was given ${formatValue(inputs)}`,
      );
    }
    if (typeof this.kind !== 'string' || this.kind === '') {
      throw new ArgumentError(
        `${this.name ?? 'Layer'}: a layer needs a kind, the name that summaries and messages give it, but has ${formatValue(this.kind)}`,
      );
    }
    const { outputShape, weights } = checkPlan(this.kind, this.planMany(list.map(({ shape }) => shape)));
    if (typeof this.call !== 'function' && this.callMany === Layer.prototype.callMany) {
      throw new ArgumentError(`${this.kind}: a layer needs call(x, { weights }), which returns a tensor`);
    }
    return new SymbolicTensor(outputShape, { layer: this, inputs: [...list], weights });
  }

  /**
   * Output shape and weights for samples of `inputShape` (without the batch).
   * @throws ShapeError if the layer does not support that input
   */
  abstract plan(inputShape: Shape): {
    /** Shape of one sample of the output, without the batch. */
    outputShape: Shape;
    /** The weights it needs, in the order of `context.weights` in `call`. */
    weights: WeightSpec[];
  };

  /** Computes the layer: x [N, ...inputShape] -> [N, ...outputShape]. */
  abstract call(x: Tensor, context: CallContext): Tensor;

  /** `call` without the activation that `finalActivation` names. */
  callLogits(x: Tensor, context: CallContext): Tensor {
    return this.call(x, context);
  }

  /** `plan` for a layer with several inputs. @throws ArgumentError if the layer takes one input */
  planMany(inputShapes: readonly Shape[]): {
    /** Shape of one sample of the output, without the batch. */
    outputShape: Shape;
    /** The weights it needs, in the order of `context.weights` in `call`. */
    weights: WeightSpec[];
  } {
    if (inputShapes.length !== 1) {
      throw new ArgumentError(
        `${this.kind}: takes one input, but gets ${inputShapes.length} (${inputShapes.map(showShape).join(', ')})`,
      );
    }
    if (typeof this.plan !== 'function') checkPlan(this.kind, undefined);
    return this.plan(inputShapes[0]!);
  }

  /** `call` for a layer with several inputs. */
  callMany(inputs: readonly Tensor[], context: CallContext): Tensor {
    return this.call(inputs[0]!, context);
  }
}

/**
 * The activation that a layer ends in. A layer written for an earlier version defines `endsIn` instead.
 * @internal
 */
export const finalActivationOf = (layer: Layer): FinalActivation | null =>
  layer[memberName(layer, 'finalActivation', 'endsIn')];

/**
 * The result of a layer's `plan`, in which initializers and regularizers may also be names.
 * @throws ArgumentError for anything else, and for impossible shapes, for which the next layer would be blamed
 */
function checkPlan(layer: string, given: { outputShape: Shape; weights: WeightSpec[] } | undefined) {
  const plan = tryRead(layer, () => (typeof given === 'object' && given !== null ? { ...given } : null));
  const specs = readList(layer, plan?.weights) as WeightSpec[] | null;
  if (!plan || !Array.isArray(plan.outputShape) || !specs) {
    throw new ArgumentError(
      `${layer}: a layer needs plan(inputShape), which returns { outputShape, weights: [{ name, shape, initializer }] }, but it gives ${formatValue(given)}`,
    );
  }
  checkPositiveShape(`${layer}: the outputShape of its plan`, plan.outputShape);
  const seen = new Set<string>();
  const weights = specs.map((one) => {
    const spec = tryRead(layer, () => (typeof one === 'object' && one !== null ? { ...one } : one));
    if (typeof spec?.name !== 'string' || spec.name === '') {
      throw new ArgumentError(`${layer}: each weight of its plan needs a name, but one is ${formatValue(spec)}`);
    }
    if (seen.has(spec.name))
      throw new ArgumentError(`${layer}: two weights of its plan are called ${formatValue(spec.name)}`);
    seen.add(spec.name);
    checkPositiveShape(`${layer}: the shape of its weight ${formatValue(spec.name)}`, spec.shape);
    const initializer = initializerOf(
      `${layer}: the initializer of its weight ${formatValue(spec.name)}`,
      spec.initializer,
    );
    const regularizer = regularizerOf(
      `${layer}: the regularizer of its weight ${formatValue(spec.name)}`,
      spec.regularizer,
    );
    return { ...spec, initializer, ...(regularizer ? { regularizer } : {}) };
  });
  return { ...plan, weights };
}
