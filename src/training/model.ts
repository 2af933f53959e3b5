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

/** What `onTrainBegin` is given: model, optimizer and options of the training. */
export interface TrainInfo extends TrainInfoOf<Model> {}

/**
 * Hooks into `fit`, as in Keras; each may be async.
 *
 * - They may read the model (`evaluate`, `predict`, `saveModel`) but not change it: `trainable`, `compile`, `loadWeights` and other trainings
 *   must wait until `fit` has ended.
 * - `onBatchEnd` is called a few times a second, not at each step.
 * - `model.stopTraining = true` ends training.
 * - Replicas are trained together, so callbacks that stop training or change the rate use the means over them.
 */
export interface Callback extends CallbackOf<Model> {}

/** Options of `Model.fit`. */
export interface FitOptions extends FitOptionsOf<Model> {}

/** Options of `new Model`. */
export interface ModelOptions {
  /** The input, from `input(shape)`. */
  inputs: SymbolicTensor;
  /** The output, from `apply` of a layer. */
  outputs: SymbolicTensor;
  /** Name of the model in summaries, messages and files. Default: its kind in snake case, as in Keras. */
  name?: string;
}

/**
 * A graph of layers with one input and one output:
 *
 *     const x = input([32, 32, 3]);
 *     const y = new Conv2D({ filters: 3, kernelSize: 3, padding: 'same' }).apply(x);
 *     const model = new Model({ inputs: x, outputs: new Add().apply([x, y]) });
 *
 * Shapes are checked when layers are applied, without a device. `build` creates the weights, `compile` sets optimizer, loss and metrics,
 * `fit` trains. A layer that is applied twice shares its weights.
 *
 * A model is a layer too. Inside another model, its weights belong to the outer model. They begin with a copy of its values if it was built
 * or given some by `setInitialWeights`.
 */
export class Model extends Layer {
  readonly kind: string = 'Functional';
  /**
   * The layers and their connections, traced by the constructor.
   * @internal
   */
  readonly graph: Graph;
  private store: ParameterStore | null = null;
  /** Values by the name of the weight, which `build` uses instead of random ones. */
  private initialWeights: ReadonlyMap<string, InitialValues> = new Map();
  private compiled: Compiled | null = null;
  private singleBatches: SingleBatchSteps | null = null;
  /**
   * Recorded programs of `evaluate` and `predict`.
   * @internal
   */
  readonly programs = new ProgramCache();

  /** Name of the class in messages, because bundlers rename it. */
  protected static readonly className: string = 'Model';

  /** If a callback sets it to true, `fit` ends after the current step, as in Keras. */
  stopTraining = false;

  /** Shape of one sample, without the batch. */
  declare readonly inputShape: Shape;

  /** @throws ArgumentError if input and output are not connected or a name is used twice; ShapeError */
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

  /** The name, or by default the kind in snake case, as in Keras. */
  get title(): string {
    return this.name ?? snakeCase(this.kind);
  }

  /**
   * The layers in the order in which they were applied, each once. Keras has a layer for the input at index 0; here there is none. So Keras's
   * `layers[i]` is `layers[i - 1]` here, and indices from the end (`slice(-120)`) are the same.
   */
  get layers(): readonly Layer[] {
    return this.graph.layers.map(({ layer }) => layer);
  }

  /** The layers with their names and shapes in this model. */
  get plannedLayers(): readonly PlannedLayer[] {
    return this.graph.layers;
  }

  /** The calls of the layers in order, with the indices of their inputs. */
  get uses(): readonly Use[] {
    return this.graph.uses;
  }

  /** A layer by its name in this model, such as `conv2d_1`. @throws ArgumentError if there is none */
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

  /** The device of the weights. @throws ArgumentError before `build` */
  get device(): Device {
    return this.parameters.device;
  }

  /**
   * The flat buffers that hold the weights, for an optimizer (`new Adam({ parameters: model.parameters })`) or `WeightCopy`.
   * @throws ArgumentError before `build`; DisposedError
   */
  get parameters(): ParameterStore {
    if (!this.store) throw new ArgumentError(`${this.title}: build(device) comes first`);
    if (this.store.values.disposed) throw new DisposedError(`${this.title}: used after dispose()`);
    return this.store;
  }

  /** Number of replicas: copies of the model with separate weights that are trained together. Default 1. @throws ArgumentError before `build` */
  get replicas(): number {
    return this.parameters.replicas;
  }

  /**
   * All weights in the order of the layers, kernel before bias. With several replicas, a weight's tensor holds the values of all replicas, one
   * after another.
   * @throws ArgumentError before `build`
   */
  get weights(): readonly Weight[] {
    return this.parameters.weights;
  }

  /** The weights that training changes. @throws ArgumentError before `build` */
  get trainableWeights(): readonly Weight[] {
    return this.weights.filter(({ trainable }) => trainable);
  }

  /** The weights of frozen layers, and those that are never trained, such as running averages. @throws ArgumentError before `build` */
  get nonTrainableWeights(): readonly Weight[] {
    return this.weights.filter(({ trainable }) => !trainable);
  }

  /** Number of values in all weights, trainable or not, as in Keras. */
  countParams(): number {
    const { trainable, nonTrainable } = countParams(this.weightSpecs());
    return trainable + nonTrainable;
  }

  /**
   * Whether any layer is trainable. Assigning it sets `trainable` of every layer, at every depth, as in Keras. Unlike in Keras, a model has no
   * separate flag: after `extractor.trainable = false`, `layer.trainable = true` is enough to train one of its layers.
   */
  override get trainable(): boolean {
    return this.layers.some((layer) => layer.trainable);
  }

  override set trainable(trainable: boolean) {
    for (const layer of this.layers) layer.trainable = trainable;
  }

  /** Whether all layers have `recompute`. Assigning it sets `recompute` of every layer, at every depth. */
  override get recompute(): boolean {
    return this.layers.every((layer) => layer.recompute);
  }

  override set recompute(recompute: boolean) {
    for (const layer of this.layers) layer.recompute = recompute;
  }

  /**
   * Keras's table of layers, output shapes and parameter counts with their sizes (B, KB, MB). With branches, it has the inputs of each layer.
   * With several replicas, the counts are those of one replica, and a last line has the size of all.
   */
  summary(): string {
    return summaryTable(this.title, this.graph, this.weightSpecs(), this.store?.replicas ?? 1);
  }

  /** Specifications of all weights, with the layer that freezes them and its name in theirs. */
  private weightSpecs(): WeightSpec[] {
    return this.graph.layers.flatMap(({ layer, name, weights }) => {
      const specs = layer instanceof Model ? layer.weightSpecs() : weights; // the model may have been built after it was applied
      const earlier =
        layer instanceof Model ? layer.store?.weights.map(asCopyOf) : this.store ? [] : carriedWeightsOf(layer);
      return specs.map((spec, i) => {
        const given = this.initialWeights.get(`${name}/${spec.name}`);
        const { copyOf = spec.copyOf, initialValues = spec.initialValues } = earlier?.[i] ?? {};
        return {
          ...spec,
          name: `${name}/${spec.name}`,
          layer: spec.layer ?? layer,
          copyOf: given ? undefined : copyOf,
          initialValues: given ?? initialValues,
        };
      });
    });
  }

  /** Lets the layers, through the models in it, begin with these weights in the next model that they are part of. */
  private carry(beginnings: readonly CarriedWeight[]): void {
    let first = 0;
    for (const { layer, weights } of this.graph.layers) {
      const layerBeginnings = beginnings.slice(first, first + weights.length);
      first += weights.length;
      if (layer instanceof Model) layer.carry(layerBeginnings);
      else carryWeights(layer, layerBeginnings);
    }
  }

  /**
   * Sets values that `build` gives the weights instead of random ones. Models that contain this one begin with them too, unless they are given
   * others. They are not part of `modelConfig`.
   * @param values `{ shape, data }` by the names of weights, such as `conv2d/kernel`, for every replica; or a list of such maps, one for
   *   each replica. A `Float32Array` is not copied: do not change it
   * @param options.partial whether `values` may lack weights, which keep earlier values. Default false: all are needed, and replace
   *   earlier ones
   * @throws ArgumentError after `build`, for an unknown name, and for a missing weight unless `partial`; ShapeError for values of another
   *   shape; DataError for one that is not finite. All are checked before any is set
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
   * Sets the values of all weights. The state of the optimizer stays.
   * @param values as from `getWeights`: `{ shape, data }`, or nested lists, in the order of `weights`
   * @throws ArgumentError before `build`, during a training, and for another number of weights; ShapeError for values of another shape;
   *   DataError for values that are not finite. All are checked before any is set
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

  /** The layers with their options and connections: see `modelConfig`. @throws ArgumentError for options that JSON cannot hold */
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
   * Creates the weights on a device. The same seed gives the same bits on every device. Values from `setInitialWeights` replace random ones.
   * @param options.seed seed of the initial values; default 0. Replica r uses `seed + r`, or number r of a list with a seed for each replica
   * @param options.replicas default: the length of a list of seeds, else 1
   * @throws ArgumentError for an invalid seed or number of replicas, or if called twice
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
   * Turns a model with one replica into one with several, which are trained in the same dispatches. If the weights are still those of `build`,
   * replica r gets those of `seed + r`. If they were trained or loaded, every replica gets a copy.
   * @throws ArgumentError before `build`, during a training, for an invalid number, and for a model that has several replicas
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
    // Weights that began as a copy of a nested model's are copied from here, because that model may have changed.
    const specs = weights.map((weight) => (weight.spec.copyOf ? { ...weight.spec, copyOf: weight } : weight.spec));
    const store = new ParameterStore(device, specs, seeds, replicas);
    if (!hasInitialValues) store.copyFrom(parameters);
    this.forgetPrograms();
    this.compiled?.optimizer.dispose(parameters); // built for the old weights, even if no step was trained
    parameters.dispose();
    this.store = store;
    this.carry(this.weights.map(asCopyOf));
    return this;
  }

  /**
   * Sets optimizer, loss and metrics. A second call starts with a new optimizer and keeps the weights.
   * @throws ArgumentError for an unknown loss, optimizer or metric, for one that does not fit the output of the model, during a training of
   *   this model, and for the optimizer of a running training
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
   * Optimizer, loss and metrics. @throws ArgumentError before `compile`
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
   * The model's output [N, ...outputShape] for x [N, ...inputShape]. It is on the tape: a loss computed from it can be differentiated.
   * @throws ShapeError if x has another shape; ArgumentError before `build`
   */
  call(x: Tensor, options: CallOptions | CallContext = {}): Tensor {
    const { finalActivation } = this;
    if (!finalActivation) return this.callLogits(x, options);
    const { device } = arrayOf(`${this.title}: call`, 'x (predict takes numbers)', x);
    return compose(device, () => activate(finalActivation, this.callLogits(x, options)));
  }

  /** The output without a softmax or sigmoid at the end. */
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
   * The graph; null if a subclass overrides how its layers are called.
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
   * Trains on `{ x, y }`, a loader or a stream of batches. Loss and metrics are added up on the GPU, so no step waits for a read-back. Until
   * `fit` has ended, other calls may read the model but not change it.
   * @returns logs of each epoch; if `signal` aborts, of the epochs finished until then
   * @throws ArgumentError, ShapeError, DataError, before training, for data or options that do not fit; ArgumentError if another `fit`
   *   is training this model
   */
  fit(data: TrainingData, options: FitOptions = {}): Promise<History> {
    return fit(this, data, options);
  }

  /**
   * Mean loss, accuracy and the metrics of `compile` over all samples and replicas.
   * @throws ArgumentError, ShapeError, DataError, AbortedError
   */
  evaluate(data: TrainingData, options: EvaluateOptions = {}): Promise<Metrics> {
    return evaluate(this, data, options);
  }

  /** Loss and metrics of each replica over all samples. @throws ArgumentError, ShapeError, DataError, AbortedError */
  evaluateReplicas(data: TrainingData, options: EvaluateOptions = {}): Promise<Metrics[]> {
    return evaluateReplicas(this, data, options);
  }

  /**
   * One training step on one batch, the same for every replica. The step is recorded once for each batch size.
   * @returns loss and metrics of the batch before the step
   * @throws ArgumentError, ShapeError, DataError
   */
  async trainOnBatch(x: Numbers, y: Numbers, options: TrainOnBatchOptions = {}): Promise<Metrics> {
    checkNotTraining('trainOnBatch', this);
    return this.batchSteps.train({ x, y }, options);
  }

  /** Loss and metrics of one batch. @throws ArgumentError, ShapeError, DataError */
  async testOnBatch(x: Numbers, y: Numbers): Promise<Metrics> {
    return this.batchSteps.test({ x, y });
  }

  /** Disposes the recorded steps of single batches and the programs of `evaluate` and `predict`. */
  private forgetPrograms(): void {
    this.singleBatches?.dispose();
    this.singleBatches = null;
    this.programs.dispose();
  }

  private get batchSteps(): SingleBatchSteps {
    this.parameters; // throws before `build`
    this.training; // throws before `compile`
    this.singleBatches ??= new SingleBatchSteps(this);
    return this.singleBatches;
  }

  /**
   * The model's output [replicas, size, ...outputShape] for every sample, in order.
   * @param data a loader, or numbers as `x` of `fit`
   * @param options.rows true returns a list with the values of each sample in row-major order, as views of one array. Default false: one
   *   flat array
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

  /** Releases weights and optimizer state. The model cannot be used again. */
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

/** Shape of a weight's values in all replicas: without an axis for them if there is only one. */
const shapeOfAll = ({ spec: { shape } }: Weight, replicas: number): Shape =>
  replicas > 1 ? [replicas, ...shape] : shape;
