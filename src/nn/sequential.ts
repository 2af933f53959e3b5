import { softmax } from '../autograd/softmax.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { checkOptions, show } from '../check.ts';
import { ArgumentError, DisposedError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { type Shape, sameShape, showShape } from '../kernels/array.ts';
import { checkSeed } from '../random.ts';
import type { BatchSource } from './batch-source.ts';
import type { History } from './callbacks.ts';
import { evaluate, type Metrics } from './evaluate.ts';
import { type FitOptions, fit } from './fit.ts';
import { Activation } from './layers/activation.ts';
import { Dense } from './layers/dense.ts';
import { type CallOptions, Layer } from './layers/layer.ts';
import { type Loss, type LossInput, type LossName, lossOf } from './losses.ts';
import { type Optimizer, type OptimizerName, optimizerOf } from './optimizers/index.ts';
import { ParameterStore, type Weight, type WeightSpec } from './parameters.ts';
import { predict } from './predict.ts';
import { countParams, summaryTable } from './summary.ts';

/** A layer with its place in a model: its unique name and the shapes it works on (without the batch). */
export interface PlannedLayer {
  layer: Layer;
  name: string;
  inputShape: Shape;
  outputShape: Shape;
  weights: WeightSpec[];
}

export interface CompileOptions {
  optimizer: OptimizerName | Optimizer;
  loss: LossName | Loss | ((output: Tensor, target: Tensor) => Tensor);
  /** Accuracy comes with the loss kernel at no cost and is always reported; naming it documents the intent, as in Keras. */
  metrics?: 'accuracy'[];
}

/**
 * A stack of layers, each fed by the one before. Shapes are checked here, before there is a device; `build` makes the
 * weights, `compile` chooses how to train, `fit` trains.
 */
export class Sequential {
  readonly layers: readonly PlannedLayer[];
  private store: ParameterStore | null = null;
  private compiled: { optimizer: Optimizer; loss: Loss; input: LossInput } | null = null;

  /** @throws ArgumentError without layers, inputShape or with a name used twice; ShapeError when layers do not fit together */
  constructor(
    layers: readonly Layer[],
    readonly name = 'sequential',
  ) {
    if (!Array.isArray(layers) || !layers.every((layer) => layer instanceof Layer)) {
      throw new ArgumentError(`Sequential: takes a list of layers, but was given ${show(layers)}`);
    }
    const first = layers[0];
    if (!first) throw new ArgumentError('Sequential: a model needs at least one layer');
    if (!Array.isArray(first.inputShape) || !first.inputShape.every((n) => Number.isInteger(n) && n > 0)) {
      throw new ArgumentError(
        `Sequential: the first layer (${first.kind}) needs inputShape, the shape of one sample such as [32, 32, 3]`,
      );
    }
    const names = uniqueNames(layers);
    let shape: Shape = first.inputShape;
    this.layers = layers.map((layer, i) => {
      const name = names[i]!;
      if (layer.inputShape && !sameShape(layer.inputShape, shape)) {
        throw new ShapeError(
          `Sequential: ${name} declares inputShape ${showShape(layer.inputShape)}, but gets ${showShape(shape)}`,
        );
      }
      const { outputShape, weights } = layer.plan(shape);
      const planned = { layer, name, inputShape: shape, outputShape, weights };
      shape = outputShape;
      return planned;
    });
  }

  get inputShape(): Shape {
    return this.layers[0]!.inputShape;
  }

  get outputShape(): Shape {
    return this.layers.at(-1)!.outputShape;
  }

  /** The device the weights live on. @throws ArgumentError before `build` */
  get device(): Device {
    return this.parameters.device;
  }

  /** The flat buffers behind the weights. @throws ArgumentError before `build` */
  get parameters(): ParameterStore {
    if (!this.store) throw new ArgumentError(`${this.name}: build(device) comes first`);
    if (this.store.values.disposed) throw new DisposedError(`${this.name}: used after dispose()`);
    return this.store;
  }

  /** All weights in the order of the layers, kernel before bias. @throws ArgumentError before `build` */
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
    const { trainable, nonTrainable } = countParams(this.layers);
    return trainable + nonTrainable;
  }

  /** Whether any layer is to be trained. Assigning it does so to every layer's `trainable`, as in Keras. */
  get trainable(): boolean {
    return this.layers.some(({ layer }) => layer.trainable);
  }

  set trainable(trainable: boolean) {
    for (const { layer } of this.layers) layer.trainable = trainable;
  }

  /** Keras's table of layers, output shapes and parameter counts. */
  summary(): string {
    return summaryTable(this.name, this.layers);
  }

  /**
   * Creates the weights on a device. The same seed gives the same bits everywhere.
   * @throws ArgumentError for an impossible seed or when called twice
   */
  build(device: Device, options: { seed?: number } = {}): this {
    checkOptions('build', options);
    if (this.store) throw new ArgumentError(`${this.name}: already built`);
    const seed = options.seed ?? 0;
    checkSeed(seed);
    const specs = this.layers.flatMap(({ layer, name, weights }) =>
      weights.map((spec) => ({ ...spec, name: `${name}/${spec.name}`, owner: layer })),
    );
    this.store = new ParameterStore(device, specs, seed);
    return this;
  }

  /**
   * Chooses optimiser and loss. Called again, it starts with a new optimiser and keeps the weights.
   * @throws ArgumentError for an unknown loss or optimiser, or one that needs logits or a softmax this model does not end in
   */
  compile(options: CompileOptions): this {
    checkOptions('compile', options);
    const optimizer = optimizerOf(options.optimizer);
    const loss = lossOf(options.loss);
    const input = loss.wants({ endsInSoftmax: this.endsInSoftmax });
    if (this.compiled?.optimizer !== optimizer) this.compiled?.optimizer.dispose();
    this.compiled = { optimizer, loss, input };
    return this;
  }

  private get endsInSoftmax(): boolean {
    const last = this.layers.at(-1)!.layer;
    return (last instanceof Dense || last instanceof Activation) && last.activation === 'softmax';
  }

  /** What `compile` chose. @throws ArgumentError before it */
  get training(): { optimizer: Optimizer; loss: Loss; input: LossInput } {
    if (!this.compiled) throw new ArgumentError(`${this.name}: compile({ optimizer, loss }) comes first`);
    return this.compiled;
  }

  /**
   * The model's output for x [N, ...inputShape]. On the tape: a loss computed from it can be differentiated.
   * @throws ShapeError when x does not fit; ArgumentError before `build`
   */
  call(x: Tensor, options: CallOptions = {}): Tensor {
    const y = this.callLogits(x, options);
    return this.endsInSoftmax ? softmax(y) : y;
  }

  /** What `compile` chose, applied to a batch: the mean loss [] and the hits [N]. @throws ArgumentError before `compile` */
  callLoss(x: Tensor, labels: Tensor, options: CallOptions = {}): { loss: Tensor; hits: Tensor } {
    const { loss, input } = this.training;
    return loss.call(input === 'logits' ? this.callLogits(x, options) : this.call(x, options), labels, input);
  }

  /** The same without a softmax at the end. */
  callLogits(x: Tensor, options: CallOptions = {}): Tensor {
    if (!sameShape(x.shape.slice(1), this.inputShape)) {
      throw new ShapeError(
        `${this.name}: expects batches of ${showShape(this.inputShape)} samples, but was given ${showShape(x.shape)}`,
      );
    }
    const all = this.weights.map(({ tensor }) => tensor);
    const { training = false, seed = 0, step = 0 } = options;
    let used = 0;
    return this.layers.reduce((y, { layer, weights }, i) => {
      const random = { seed, layer: i, step };
      const context = { weights: all.slice(used, used + weights.length), training, random };
      used += weights.length;
      if (i < this.layers.length - 1 || !this.endsInSoftmax) return layer.call(y, context);
      return layer instanceof Dense ? layer.callLogits(y, context) : y; // an Activation layer is the softmax itself
    }, x);
  }

  /**
   * Trains. Loss and accuracy gather on the GPU; nothing waits for a read-back at a step.
   * @returns one entry an epoch; with `signal` aborted, those finished until then
   * @throws ArgumentError, ShapeError for data or options that do not fit, before anything is trained
   */
  fit(data: BatchSource, options: FitOptions = {}): Promise<History> {
    return fit(this, data, options);
  }

  /** Mean loss and accuracy over all samples. @throws ArgumentError, ShapeError, AbortedError */
  evaluate(data: BatchSource, options: { batchSize?: number; signal?: AbortSignal } = {}): Promise<Metrics> {
    return evaluate(this, data, options);
  }

  /** The model's output for every sample: [size, ...outputShape], in order. @throws ArgumentError, ShapeError, AbortedError */
  predict(data: BatchSource, options: { batchSize?: number; signal?: AbortSignal } = {}): Promise<Float32Array> {
    return predict(this, data, options);
  }

  /** Weights and optimiser state are released; the model cannot be used again. */
  dispose(): void {
    this.store?.dispose();
    this.compiled?.optimizer.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Keras's names: the kind in snake case, numbered from the second on. @throws ArgumentError for a given name used twice */
function uniqueNames(layers: readonly Layer[]): string[] {
  const seen = new Map<string, number>();
  const used = new Set<string>();
  return layers.map((layer) => {
    const base = layer.kind
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/2_?D$/, '2d')
      .toLowerCase();
    const n = seen.get(base) ?? 0;
    if (!layer.name) seen.set(base, n + 1);
    const name = layer.name ?? (n === 0 ? base : `${base}_${n}`);
    if (used.has(name)) throw new ArgumentError(`Sequential: two layers are called ${name}`);
    used.add(name);
    return name;
  });
}
