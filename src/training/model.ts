import { compose } from '../autograd/compose.ts';
import type { ShapedNumbers } from '../autograd/host-data.ts';
import { arrayOf, type Tensor } from '../autograd/tensor.ts';
import { checkObject, checkOptions, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DisposedError, ShapeError } from '../base/errors.ts';
import { readSeeds, replicasOfSeeds, type Seeds } from '../base/random.ts';
import type { Device } from '../gpu/device.ts';
import { type Shape, sameShape, showShape } from '../kernels/array.ts';
import { snakeCase, traceGraph } from '../nn/graph/graph.ts';
import type { GraphConfig } from '../nn/graph/graph-config.ts';
import { runGraph } from '../nn/graph/run-graph.ts';
import { suggestLayers } from '../nn/graph/suggest-layers.ts';
import { countParams, summaryTable } from '../nn/graph/summary.ts';
import { activate } from '../nn/layers/activation.ts';
import {
  type CallContext,
  type CallOptions,
  callOptionNames,
  type FinalActivation,
  finalActivationOf,
  type Graph,
  Layer,
  type PlannedLayer,
  SymbolicTensor,
  type Use,
} from '../nn/layers/layer.ts';
import { checkCommonOptions } from '../nn/layers/options.ts';
import { asCopyOf, type CarriedWeight, carriedWeightsOf, carryWeights } from '../nn/weights/carried-weights.ts';
import {
  type InitialWeightsOptions,
  readInitialWeights,
  readInitialWeightsOfReplicas,
  readWeight,
} from '../nn/weights/initial-weights.ts';
import { checkReplicas, ParameterStore } from '../nn/weights/parameters.ts';
import { checkNotTraining, checkUnused } from '../nn/weights/training-lock.ts';
import type { InitialValues, Weight, WeightSpec } from '../nn/weights/weight.ts';
import type { Numbers } from './batches/array-loader.ts';
import type { BatchSource } from './batches/batch-source.ts';
import type { TrainingData } from './batches/training-data.ts';
import type { Callback as CallbackOf, TrainInfo as TrainInfoOf } from './callbacks/callback.ts';
import type { History } from './callbacks/logs.ts';
import { type Compiled, type CompileOptions, compile } from './compile.ts';
import { type EvaluateOptions, evaluate, evaluateReplicas } from './evaluate.ts';
import { fit } from './fit.ts';
import type { FitOptions as FitOptionsOf } from './fit-options.ts';
import type { Metrics } from './objective.ts';
import { type PredictOptions, predict } from './predict.ts';
import { ProgramCache } from './program-cache.ts';
import { SingleBatchSteps, type TrainOnBatchOptions } from './single-batch-steps.ts';

/** What is about to be trained. */
export interface TrainInfo extends TrainInfoOf<Model> {}

/**
 * Hooks into `fit`, as in Keras. They may read the model (`evaluate`, `predict`, `saveModel`) but not change it: `trainable`,
 * `compile`, `loadWeights` and other trainings have to wait until `fit` has ended. Every one may be async; `onBatchEnd` is called a few times a second, not at each step. A
 * callback ends training with `model.stopTraining = true`. Replicas are trained together: what stops or slows them goes by the
 * means over them.
 */
export interface Callback extends CallbackOf<Model> {}

/** Options of `Model.fit`. */
export interface FitOptions extends FitOptionsOf<Model> {}

/** Options of `new Model`. */
export interface ModelOptions {
  /** Where samples come in: what `input(shape)` returned. */
  inputs: SymbolicTensor;
  /** What the model computes: what a layer's `apply` returned. */
  outputs: SymbolicTensor;
  /** Name of the model, for summaries, messages and files. Default: the kind's, as Keras has it. */
  name?: string;
}

/**
 * Layers between one input and one output, with branches and sums as wanted:
 *
 *     const x = input([32, 32, 3]);
 *     const y = new Conv2D({ filters: 3, kernelSize: 3, padding: 'same' }).apply(x);
 *     const model = new Model({ inputs: x, outputs: new Add().apply([x, y]) });
 *
 * Shapes are checked as layers are applied, before there is a device; `build` makes the weights, `compile` chooses how to
 * train, `fit` trains. A layer applied twice shares its weights. A model is a layer too: inside another one its weights are
 * part of that one's, which begin with a copy of its own values if it was built, or given some by `setInitialWeights`.
 */
export class Model extends Layer {
  readonly kind: string = 'Functional';
  /**
   * Its layers and what feeds what, as traced when it was made.
   * @internal
   */
  readonly graph: Graph;
  private store: ParameterStore | null = null;
  /** Values for weights, by name, which `build` takes instead of drawn ones. */
  private initialWeights: ReadonlyMap<string, InitialValues> = new Map();
  private compiled: Compiled | null = null;
  private onBatch: SingleBatchSteps | null = null;
  /**
   * Recorded programs of `evaluate` and `predict`.
   * @internal
   */
  readonly programs = new ProgramCache();

  /** The class in messages: bundlers rename the class itself. */
  protected static readonly className: string = 'Model';

  /** A callback that sets it ends `fit` after the step under way, as in Keras. */
  stopTraining = false;

  /** Shape of one sample, without the batch. */
  declare readonly inputShape: Shape;

  /** @throws ArgumentError when input and output are not connected or a name is used twice; ShapeError */
  constructor(options: ModelOptions, ...surplus: never[]) {
    const subject = new.target.className;
    if (options instanceof SymbolicTensor) {
      throw new ArgumentError(`${subject}: give input and output by name: new Model({ inputs, outputs })`);
    }
    checkOptions(subject, options, { inputs: true, outputs: true, name: true }, surplus);
    checkCommonOptions(subject, { name: options.name });
    super({ name: options.name, inputShape: tryRead(subject, () => options.inputs?.shape) });
    this.graph = traceGraph(subject, options.inputs, options.outputs);
  }

  /** The name, or Keras's for a model without one. */
  get title(): string {
    return this.name ?? snakeCase(this.kind);
  }

  /**
   * The layers in the order in which they were applied, each once. There is no layer for the input, which Keras has at index 0: its
   * `layers[i]` is `layers[i - 1]` here, while counts from the end (`slice(-120)`) are the same.
   */
  get layers(): readonly Layer[] {
    return this.graph.layers.map(({ layer }) => layer);
  }

  /** The layers with their names and shapes in this model. */
  get plannedLayers(): readonly PlannedLayer[] {
    return this.graph.layers;
  }

  /** What feeds what: the uses of the layers, in order. */
  get uses(): readonly Use[] {
    return this.graph.uses;
  }

  /** A layer by its name in this model, such as `conv2d_1`. @throws ArgumentError when there is none */
  getLayer(name: string): Layer {
    const found = this.graph.layers.find((planned) => planned.name === name);
    if (found) return found.layer;
    throw new ArgumentError(`getLayer: ${this.title} has no layer ${formatValue(name)}; ${suggestLayers(this, name)}`);
  }

  /** Shape of one sample of the output, without the batch. */
  get outputShape(): Shape {
    return this.graph.outputShape;
  }

  /** Whether `build` was called. */
  get built(): boolean {
    return this.store !== null;
  }

  /** The device the weights live on. @throws ArgumentError before `build` */
  get device(): Device {
    return this.parameters.device;
  }

  /**
   * The flat buffers behind the weights, to be handed to an optimizer (`new Adam({ parameters: model.parameters })`) or to `WeightCopy`.
   * @throws ArgumentError before `build`; DisposedError
   */
  get parameters(): ParameterStore {
    if (!this.store) throw new ArgumentError(`${this.title}: build(device) comes first`);
    if (this.store.values.disposed) throw new DisposedError(`${this.title}: used after dispose()`);
    return this.store;
  }

  /** How many copies of the model are trained at once, each with weights of its own; 1 unless asked for. @throws ArgumentError before `build` */
  get replicas(): number {
    return this.parameters.replicas;
  }

  /**
   * All weights in the order of the layers, kernel before bias. Of several replicas, a weight's tensor holds all copies, one after
   * another. @throws ArgumentError before `build`
   */
  get weights(): readonly Weight[] {
    return this.parameters.weights;
  }

  /** Those that training changes now. @throws ArgumentError before `build` */
  get trainableWeights(): readonly Weight[] {
    return this.weights.filter(({ trainable }) => trainable);
  }

  /** Those of frozen layers, and those that are never trained. @throws ArgumentError before `build` */
  get nonTrainableWeights(): readonly Weight[] {
    return this.weights.filter(({ trainable }) => !trainable);
  }

  /** Number of values in all weights, trainable or not, as in Keras. */
  countParams(): number {
    const { trainable, nonTrainable } = countParams(this.weightSpecs());
    return trainable + nonTrainable;
  }

  /**
   * Whether any layer is to be trained. Assigning it does so to every layer's `trainable`, at every depth, as in Keras. Unlike there, a model
   * remembers nothing of it: after `extractor.trainable = false`, `layer.trainable = true` is enough to train one of its layers.
   */
  override get trainable(): boolean {
    return this.layers.some((layer) => layer.trainable);
  }

  override set trainable(trainable: boolean) {
    for (const layer of this.layers) layer.trainable = trainable;
  }

  /**
   * Keras's table of layers, output shapes, parameter counts with their sizes (B, KB, MB) and, where there are branches, what feeds
   * what. With several replicas the counts are those of one, and a last line has the size of all.
   */
  summary(): string {
    return summaryTable(this.title, this.graph, this.weightSpecs(), this.store?.replicas ?? 1);
  }

  /** Every layer's weights, named after the layer they belong to, and knowing it: what freezes them. */
  private weightSpecs(): WeightSpec[] {
    return this.graph.layers.flatMap(({ layer, name, weights }) => {
      const specs = layer instanceof Model ? layer.weightSpecs() : weights; // it may have been built since it was applied
      const earlier =
        layer instanceof Model ? layer.store?.weights.map(asCopyOf) : this.store ? [] : carriedWeightsOf(layer);
      return specs.map((spec, i) => {
        const own = this.initialWeights.get(`${name}/${spec.name}`);
        const { copyOf = spec.copyOf, initialValues = spec.initialValues } = earlier?.[i] ?? {};
        return {
          ...spec,
          name: `${name}/${spec.name}`,
          layer: spec.layer ?? layer,
          copyOf: own ? undefined : copyOf,
          initialValues: own ?? initialValues,
        };
      });
    });
  }

  /** Lets the layers, through the models in it, begin with these weights in the next model that they are part of. */
  private carry(beginnings: readonly CarriedWeight[]): void {
    let first = 0;
    for (const { layer, weights } of this.graph.layers) {
      const own = beginnings.slice(first, first + weights.length);
      first += weights.length;
      if (layer instanceof Model) layer.carry(own);
      else carryWeights(layer, own);
    }
  }

  /**
   * Values that the weights begin with when `build` makes them, instead of drawn ones; weights without one are drawn as ever. Models that contain this one begin with them too, however many there are, unless they were given others. They stay
   * with the model, for the next one that contains it, and are no part of `modelConfig`.
   * @param values `{ shape, data }` by the names of weights, such as `conv2d/kernel`, for every replica; or a list of such maps, one for
   *   each replica. A `Float32Array` is not copied: leave it as it is
   * @param options.partial some weights alone; values given before stay for the others. Default: all, and earlier ones are forgotten
   * @throws ArgumentError after `build`, for a name that no weight has, and for a weight without values unless `partial`; ShapeError
   *   for values of another shape; DataError for one that is not finite. All are checked before any is taken
   */
  setInitialWeights(
    values: ReadonlyMap<string, ShapedNumbers> | readonly ReadonlyMap<string, ShapedNumbers>[],
    options: InitialWeightsOptions = {},
  ): this {
    if (this.store) {
      throw new ArgumentError(`${this.title}: already built; give initial weights before build, or use loadWeights`);
    }
    const specs = this.weightSpecs();
    const list = readList('setInitialWeights', values) as ReadonlyMap<string, ShapedNumbers>[] | null;
    const read = list
      ? readInitialWeightsOfReplicas(this.title, specs, list, options)
      : readInitialWeights(this.title, specs, values as ReadonlyMap<string, ShapedNumbers>, options);
    this.initialWeights = options.partial ? new Map([...this.initialWeights, ...read]) : read;
    this.carry(this.weightSpecs());
    return this;
  }

  /**
   * The values of all weights, in the order of `weights`; with several replicas, of shape [replicas, ...]. Waits for the GPU.
   * @throws ArgumentError before `build`; DisposedError
   */
  async getWeights(): Promise<
    {
      /** Shape of the weight; with several replicas [replicas, ...]. */
      shape: Shape;
      /** Its values in row-major order. */
      data: Float32Array<ArrayBuffer>;
    }[]
  > {
    const { parameters, replicas, weights } = this;
    const values = await parameters.read();
    return values.map((data, i) => ({ shape: shapeOfAll(weights[i]!, replicas), data }));
  }

  /**
   * Gives all weights other values, of this model or of another one with weights of the same shapes in the same order. What an optimizer
   * remembers stays.
   * @param values as `getWeights` gives them: `{ shape, data }`, or lists in lists, in the order of `weights`
   * @throws ArgumentError before `build`, within a training, and for another number of weights; ShapeError for one of another shape; DataError
   *   for values that are not finite. All are checked before any is taken
   */
  setWeights(values: readonly Numbers[]): this {
    const { parameters, replicas, weights } = this;
    checkNotTraining('setWeights', this);
    const list = readList('setWeights', values) as Numbers[] | null;
    if (!list) {
      throw new ArgumentError(
        `${this.title}: setWeights takes a list of values, one for each weight, but was given ${formatValue(values)}`,
      );
    }
    if (list.length !== weights.length) {
      throw new ArgumentError(
        `${this.title}: setWeights: the model has ${weights.length} weights, but values of ${list.length} were given; give all, in the order of model.weights`,
      );
    }
    const read = weights.map((weight, i) =>
      readWeight(`${this.title}: setWeights: number ${i}, ${weight.name},`, shapeOfAll(weight, replicas), list[i]!),
    );
    for (const [i, { tensor }] of weights.entries()) tensor.assign(read[i]!);
    parameters.hasInitialValues = false;
    return this;
  }

  /** The layers with their options, and what feeds what: see `modelConfig`. @throws ArgumentError for what a file cannot hold */
  override getConfig(): GraphConfig {
    const { layers, uses } = this.graph;
    return {
      ...(this.name === undefined ? {} : { name: this.name }),
      inputShape: [...this.inputShape],
      layers: layers.map(({ layer, name }) => ({ className: layer.kind, config: { ...layer.getConfig(), name } })),
      uses: uses.map(({ layer, inputs }) => ({ layer, inputs: [...inputs] })),
    };
  }

  /**
   * Creates the weights on a device. The same seed gives the same bits everywhere; replica r begins with those of `seed + r`, or of
   * seed number r in a list, except where `setInitialWeights` or `loadWeights` gave values.
   * @param options.seed default 0. A list has a seed for each replica
   * @param options.replicas default: as many as a list of seeds has, else 1
   * @throws ArgumentError for an impossible seed or number of replicas, or when called twice
   */
  build(device: Device, options: { seed?: Seeds; replicas?: number } = {}): this {
    const { seed = 0, replicas } = checkOptions('build', options, { seed: true, replicas: true });
    if (typeof tryRead('build', () => device?.record) !== 'function') {
      throw new ArgumentError(
        `${this.title}: build takes a device, from \`await openDevice()\`, but was given ${formatValue(device)}`,
      );
    }
    if (this.store) throw new ArgumentError(`${this.title}: already built`);
    const count = replicas ?? replicasOfSeeds('build', seed) ?? 1;
    checkReplicas('build', count);
    this.store = new ParameterStore(device, this.weightSpecs(), readSeeds('build', seed, count), count);
    this.carry(this.weights.map(asCopyOf));
    device.caches.add(this.programs);
    return this;
  }

  /**
   * Makes so many replicas of a model that has one, to be trained in the same dispatches. Of weights as `build` drew them, replica
   * r gets those of `seed + r`; of weights that were trained or loaded since, every replica gets a copy.
   * @throws ArgumentError before `build`, for an impossible number, for a model that has several, and within a training
   */
  replicate(replicas: number): this {
    const { parameters } = this;
    if (replicas === parameters.replicas) return this;
    checkNotTraining('replicate', this);
    checkReplicas('replicate', replicas);
    if (parameters.replicas > 1) {
      throw new ArgumentError(
        `${this.title}: it has ${parameters.replicas} replicas already, so it cannot have ${replicas}`,
      );
    }
    if ((this.compiled?.optimizer.iterations ?? 0) > 0) {
      throw new ArgumentError(
        `${this.title}: its training has begun with one replica; compile it again, and ${replicas} begin with its weights`,
      );
    }
    const { device, hasInitialValues, weights } = parameters;
    const seeds = readSeeds('replicate', parameters.seeds, replicas);
    // What began as a copy is one of what it began as, whatever became of the model that it was copied from.
    const specs = weights.map((weight) => (weight.spec.copyOf ? { ...weight.spec, copyOf: weight } : weight.spec));
    const store = new ParameterStore(device, specs, seeds, replicas);
    if (!hasInitialValues) store.copyFrom(parameters);
    this.forgetPrograms();
    this.compiled?.optimizer.dispose(parameters); // made ready for the old weights, though not a step was taken
    parameters.dispose();
    this.store = store;
    this.carry(this.weights.map(asCopyOf));
    return this;
  }

  /**
   * Chooses optimiser and loss. Called again, it starts with a new optimiser and keeps the weights.
   * @throws ArgumentError for an unknown loss, optimiser or metric, or one that needs logits or a softmax this model does not end
   *   in; within a training of this model, or with the optimiser of one under way
   */
  compile(options: CompileOptions): this {
    checkNotTraining('compile', this);
    const compiled = compile(options, this);
    checkUnused('compile', 'optimizer', compiled.optimizer);
    if (this.store && this.compiled?.optimizer !== compiled.optimizer) this.compiled?.optimizer.dispose(this.store);
    this.forgetPrograms();
    this.compiled = compiled;
    return this;
  }

  /**
   * What `compile` chose. @throws ArgumentError before it
   * @internal
   */
  get training(): Compiled {
    if (!this.compiled) throw new ArgumentError(`${this.title}: compile({ optimizer, loss }) comes first`);
    return this.compiled;
  }

  override get finalActivation(): FinalActivation | null {
    return finalActivationOf(this.graph.layers[this.graph.uses.at(-1)!.layer]!.layer);
  }

  /** @internal */
  plan(inputShape: Shape) {
    if (!sameShape(inputShape, this.inputShape)) {
      throw new ShapeError(
        `${this.title}: takes samples of ${showShape(this.inputShape)}, but gets ${showShape(inputShape)}`,
      );
    }
    return { outputShape: this.outputShape, weights: this.weightSpecs() };
  }

  /**
   * The model's output for x [N, ...inputShape]. On the tape: a loss computed from it can be differentiated.
   * @throws ShapeError when x does not fit; ArgumentError before `build`
   */
  call(x: Tensor, options: CallOptions | CallContext = {}): Tensor {
    const { finalActivation } = this;
    if (!finalActivation) return this.callLogits(x, options);
    const { device } = arrayOf(`${this.title}: call`, 'x (predict takes numbers)', x);
    return compose(device, () => activate(finalActivation, this.callLogits(x, options)));
  }

  /** The same without a softmax or sigmoid at the end. */
  override callLogits(x: Tensor, options: CallOptions | CallContext = {}): Tensor {
    arrayOf(`${this.title}: call`, 'x (predict takes numbers)', x);
    const { shape } = arrayOf('call', 'the input', x);
    if (!sameShape(shape.slice(1), this.inputShape)) {
      throw new ShapeError(
        `${this.title}: expects batches of ${showShape(this.inputShape)} samples, but was given ${showShape(shape)}` +
          (sameShape(x.shape, this.inputShape) ? `; reshape one sample to ${showShape([1, ...x.shape])}` : ''),
      );
    }
    checkObject('call', options);
    return runGraph(this.graph, x, 'weights' in options ? options : this.ownContext(options));
  }

  private ownContext(options: CallOptions): CallContext {
    const { training = false, seed = 0, step } = checkOptions('call', options, callOptionNames);
    const { draws, optimizers } = this.parameters;
    const drawn = training && step === undefined ? draws.next([...optimizers].at(-1)) : { step: step ?? 0, call: 0 };
    return {
      weights: this.weights.map(({ tensor }) => tensor),
      training,
      random: { seed, layer: drawn.call * this.layerIndexCount, step: drawn.step },
    };
  }

  /**
   * Null where a class of its own calls its layers in another way.
   * @internal
   */
  override get nested(): Graph | null {
    const { call, callLogits, callMany } = Model.prototype;
    return this.call === call && this.callLogits === callLogits && this.callMany === callMany ? this.graph : null;
  }

  override get layerIndexCount(): number {
    return this.graph.uses.reduce((sum, { layer }) => sum + this.graph.layers[layer]!.layer.layerIndexCount, 0);
  }

  /**
   * Trains, on `{ x, y }`, a loader that holds its samples on the GPU, or a stream of batches. Loss and metrics gather on the
   * GPU; nothing waits for a read-back at a step.
   * @returns one entry an epoch; with `signal` aborted, those finished until then
   * @throws ArgumentError, ShapeError, DataError for data or options that do not fit, before anything is trained; ArgumentError
   *   while another `fit` trains this model. Until `fit` has ended, nothing else may change the model; reading it is allowed
   */
  fit(data: TrainingData, options: FitOptions = {}): Promise<History> {
    return fit(this, data, options);
  }

  /**
   * Mean loss, accuracy and the metrics of `compile` over all samples, and over the replicas where there are several.
   * @throws ArgumentError, ShapeError, DataError, AbortedError
   */
  evaluate(data: TrainingData, options: EvaluateOptions = {}): Promise<Metrics> {
    return evaluate(this, data, options);
  }

  /** The same figures of each replica. @throws ArgumentError, ShapeError, DataError, AbortedError */
  evaluateReplicas(data: TrainingData, options: EvaluateOptions = {}): Promise<Metrics[]> {
    return evaluateReplicas(this, data, options);
  }

  /**
   * One training step on one batch, which every replica is given. Batches of one size share a recorded step.
   * @returns the batch's loss and metrics, before the step. @throws ArgumentError, ShapeError, DataError
   */
  async trainOnBatch(x: Numbers, y: Numbers, options: TrainOnBatchOptions = {}): Promise<Metrics> {
    checkNotTraining('trainOnBatch', this);
    return this.batches.train({ x, y }, options);
  }

  /** Loss and metrics of one batch. @throws ArgumentError, ShapeError, DataError */
  async testOnBatch(x: Numbers, y: Numbers): Promise<Metrics> {
    return this.batches.test({ x, y });
  }

  /** Recorded steps of single batches, and what `evaluate` and `predict` kept. */
  private forgetPrograms(): void {
    this.onBatch?.dispose();
    this.onBatch = null;
    this.programs.dispose();
  }

  private get batches(): SingleBatchSteps {
    this.parameters; // throws before `build`
    this.training; // throws before `compile`
    this.onBatch ??= new SingleBatchSteps(this);
    return this.onBatch;
  }

  /**
   * The model's output for every sample: [size, ...outputShape], in order, and one replica after another; of a loader's samples
   * or of numbers as `fit` takes them for `x`. With `rows: true`, a list of the values of each sample instead: of a model that ends in
   * [10], lists of ten; of one that ends in an image, its values in row-major order. Rows are views of one array.
   * @throws ArgumentError, ShapeError, DataError, AbortedError
   */
  predict(
    data: BatchSource | Numbers,
    options: PredictOptions & {
      /** A list with the values of each sample. */
      rows: true;
    },
  ): Promise<Float32Array[]>;
  predict(
    data: BatchSource | Numbers,
    options?: PredictOptions & {
      /** One flat array. */
      rows?: false;
    },
  ): Promise<Float32Array>;
  predict(data: BatchSource | Numbers, options?: PredictOptions): Promise<Float32Array | Float32Array[]>;
  predict(data: BatchSource | Numbers, options: PredictOptions = {}): Promise<Float32Array | Float32Array[]> {
    return predict(this, data, options);
  }

  /** Weights and optimiser state are released; the model cannot be used again. */
  dispose(): void {
    this.forgetPrograms();
    if (!this.store) return;
    this.compiled?.optimizer.dispose(this.store);
    this.store.device.caches.delete(this.programs);
    this.store.dispose();
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Shape of a weight's values in all replicas, of which one goes without saying. */
const shapeOfAll = ({ spec: { shape } }: Weight, replicas: number): Shape =>
  replicas > 1 ? [replicas, ...shape] : shape;
