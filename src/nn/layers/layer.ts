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
import type { WeightSpec } from '../weights/weight.ts';
import { type LayerConfig, toJsonOptions } from './config.ts';
import { checkCommonOptions, type LayerOptions, layerOptionNames } from './options.ts';

/**
 * Activations that a cross-entropy undoes again: it is computed from what goes into them.
 * @inline
 */
export type FinalActivation = 'softmax' | 'sigmoid';

/** What is said of a layer when a model calls it. */
export interface CallContext {
  /** The layer's weights, in the order it asked for them. */
  weights: readonly Tensor[];
  /** True in `fit`, false in `evaluate` and `predict`. */
  training: boolean;
  /** What random layers draw their numbers by; `layer` is the layer's place in the model. See `dropout`. */
  random: {
    /** The seed of the call. */
    seed: Seeds;
    /** The layer's place among those of the model. */
    layer: number;
    /** Number of the training step, from 1; in a recorded step the uniform that carries it. */
    step: number | StepState;
  };
}

/** How a model is called. */
export interface CallOptions {
  /** True as in `fit`, false (the default) as in `evaluate` and `predict`. */
  training?: boolean;
  /** With `step` it decides what random layers draw in training; a list has one for each replica. Default 0. */
  seed?: Seeds;
  /**
   * Number of the training step, from 1; in a recorded step the uniform that carries it. Default in training: each call draws anew, by the
   * number of the next step of the optimizer that was made with the model's `parameters`, or without one by the number of the call.
   */
  step?: number | StepState;
}
export const callOptionNames: OptionNames<CallOptions> = { training: true, seed: true, step: true };

let symbolCount = 0;

/**
 * A tensor that is not computed yet: what `input` and `layer.apply` return while a model is put together. It knows the shape
 * of one sample and where it comes from.
 */
export class SymbolicTensor {
  /**
   * Order of creation: nothing comes from what was made after it.
   * @internal
   */
  readonly serial = symbolCount++;

  /** What messages call it, whatever a bundler makes of the class's name. */
  readonly [Symbol.toStringTag] = 'SymbolicTensor';

  /**
   * Made by `input` and by `apply` of layers. @throws ArgumentError unless the shape is a list
   * @internal
   */
  constructor(
    /** Shape of one sample, without the batch. */
    readonly shape: Shape,
    /**
     * The layer that makes it and what that layer is fed; null for an input.
     * @internal
     */
    readonly source: { layer: Layer; inputs: readonly SymbolicTensor[]; weights: readonly WeightSpec[] } | null = null,
  ) {
    if (!readList('SymbolicTensor', shape)) {
      throw new ArgumentError(`SymbolicTensor: is made by input(shape), but was given ${formatValue(shape)}`);
    }
  }
}

/** A layer with its place in a model: its unique name and what it works on (without the batch) when it is first used. */
export interface PlannedLayer {
  /** The layer itself. */
  layer: Layer;
  /** Its name in the model, such as `conv2d_1`. */
  name: string;
  /** Names of the layers that feed it; `input` for the model's own. */
  inbound: readonly string[];
  /** Shape of one sample of its output. */
  outputShape: Shape;
  /** The weights it asked for. */
  weights: readonly WeightSpec[];
}

/** One use of a layer. Values are numbered: 0 is the model's input, i + 1 what use number i gives. */
export interface Use {
  /** Its number among the layers. */
  layer: number;
  /** The values it works on. */
  inputs: readonly number[];
}

/** A model's layers, each once, and their uses in an order in which everything is there when it is needed. */
export interface Graph {
  layers: readonly PlannedLayer[];
  uses: readonly Use[];
  /** Shape of one sample of each value: the input's, then what each use gives. */
  shapes: readonly Shape[];
  inputShape: Shape;
  outputShape: Shape;
}

/** A step of a model. Layers hold no tensors: the model owns the weights and hands them to `call`. */
export abstract class Layer {
  /** Keras's name of the class, for `summary()`. */
  abstract readonly kind: string;
  /** As given; else the first model it becomes part of names it, as Keras would: `conv2d_1`. */
  name: string | undefined;
  /** Whether the name was given, so that no model may change it. */
  readonly named: boolean;
  /** Shape of one sample, without the batch, as given; undefined where it was not. */
  readonly inputShape: Shape | undefined;
  private frozen: boolean;
  /** As the constructor was given them. */
  readonly #options: LayerOptions;

  /**
   * @param options all that the layer was given: those of its own are kept for `getConfig`. Which ones there are, only the layer
   *   knows: tilegrad's own layers refuse any other
   * @throws ArgumentError unless it is an object, and for options of the wrong kind
   */
  constructor(options: LayerOptions = {}) {
    checkObject('Layer', options, Object.keys(layerOptionNames)); // the name of a class is no more the author's after bundling
    this.#options = tryRead('Layer', () => ({ ...options }));
    const { name, inputShape, trainable = true } = checkCommonOptions('Layer', options);
    this.name = name;
    this.named = name !== undefined;
    this.inputShape = inputShape;
    this.frozen = !trainable;
  }

  /** What messages call it, whatever a bundler makes of the class's name. */
  get [Symbol.toStringTag](): string {
    return this.kind;
  }

  /**
   * False freezes the layer's weights: no gradient is computed for them and no optimiser changes them, from the next `fit` on (or
   * `trainOnBatch`; there is nothing to compile again). A frozen `BatchNormalization` goes by its moving statistics in training, too. What an
   * optimizer holds of frozen weights stays for the day they are trained again.
   */
  get trainable(): boolean {
    return !this.frozen;
  }

  /** @throws ArgumentError unless it is true or false */
  set trainable(trainable: boolean) {
    this.frozen = !checkFlag(this.name ?? this.kind, 'trainable', trainable);
  }

  /**
   * Whether the output depends on the input and the weights alone, in training too, so that `cacheFeatures` of `fit` may compute it
   * once. A layer of your own says so with `override readonly deterministic = true`; default false.
   */
  readonly deterministic: boolean = false;

  /**
   * What a model is made of, which is then called layer by layer; null for any other layer.
   * @internal
   */
  get nested(): Graph | null {
    return null;
  }

  /** The activation that makes probabilities of logits, if the output is one: `callLogits` gives what a cross-entropy wants. */
  get finalActivation(): FinalActivation | null {
    return null;
  }

  /**
   * What makes the layer again, as JSON can hold it: the options it was made with. A layer whose constructor takes more than
   * options overrides this.
   * @throws ArgumentError for an option that a file cannot hold, such as a function
   */
  getConfig(): LayerConfig {
    const { name, trainable: _, ...options } = toJsonOptions(this.name ?? this.kind, this.#options);
    return { ...options, ...(this.trainable ? {} : { trainable: false }), ...(this.name ? { name: this.name } : {}) };
  }

  /**
   * How many layers it counts as when random layers are numbered: a model has as many as it is made of.
   * @internal
   */
  get layerIndexCount(): number {
    return 1;
  }

  /**
   * Puts the layer into a model that is being built: its output for that input, or for several where it takes a list.
   * @throws ShapeError when the layer cannot take that input; ArgumentError for anything that `input` or `apply` did not return
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
   * @throws ShapeError when the layer cannot take that input
   */
  abstract plan(inputShape: Shape): {
    /** Shape of one sample of the output, without the batch. */
    outputShape: Shape;
    /** The weights it needs, in the order in which `call` gets them. */
    weights: WeightSpec[];
  };

  /** Computes the layer: x [N, ...inputShape] -> [N, ...outputShape]. */
  abstract call(x: Tensor, context: CallContext): Tensor;

  /** `call` without the activation that `endsIn` names. */
  callLogits(x: Tensor, context: CallContext): Tensor {
    return this.call(x, context);
  }

  /** `plan` for a layer with several inputs. @throws ArgumentError where it takes one */
  planMany(inputShapes: readonly Shape[]): {
    /** Shape of one sample of the output, without the batch. */
    outputShape: Shape;
    /** The weights it needs, in the order in which `call` gets them. */
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
 * What `plan` returned, as plain JavaScript may write it: initializers and regularizers also by name.
 * @throws ArgumentError for what is no plan, or has impossible shapes, which would come out later in another layer
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
