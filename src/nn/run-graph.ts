import { Tensor } from '../autograd/tensor.ts';
import { show } from '../check.ts';
import { ArgumentError, ShapeError } from '../errors.ts';
import { type Shape, sameShape, showShape } from '../kernels/array.ts';
import { callFused, LONGEST_FUSION } from './fusion.ts';
import type { Graph } from './graph.ts';
import type { CallContext, Layer } from './layers/layer.ts';

/**
 * A model's output for x [N, ...inputShape], layer by layer; before its last softmax or sigmoid, where it ends in one.
 * @param context the weights of all layers, one after another; its layer number is that of the first
 */
export function runGraph(
  { uses, layers, shapes }: Graph,
  x: Tensor,
  { weights, training, random }: CallContext,
): Tensor {
  const firstWeights = firstOf(layers, ({ weights }) => weights.length);
  const firstPlaces = firstOf(uses, ({ layer }) => layers[layer]!.layer.places);
  const values: (Tensor | null)[] = [x];
  const needed = new UseCount(uses, x);
  const contextOf = (i: number): CallContext => {
    const { layer: index } = uses[i]!;
    const first = firstWeights[index]!;
    return {
      weights: weights.slice(first, first + layers[index]!.weights.length),
      training,
      random: { ...random, layer: random.layer + firstPlaces[i]! },
    };
  };
  const chains = chainsOf({ uses, layers });
  for (let i = 0; i < uses.length; i++) {
    const begun = i;
    const { inputs } = uses[i]!;
    const given = inputs.map((value) => values[value]!);
    const chain = chains[i]!;
    const fused =
      chain.length > 1 ? namingErrors(chain[0]!, () => callFused(chain, given[0]!, (k) => contextOf(begun + k))) : null;
    for (let k = 1; k < (fused?.layers ?? 1); k++, i++) values.push(null); // nobody else reads what lies between
    const { layer } = layers[uses[i]!.layer]!;
    const context = contextOf(i);
    const last = i === uses.length - 1 && layer.endsIn !== null;
    const value =
      fused?.value ??
      namingErrors(layer, () => (last ? layer.callLogits(given[0]!, context) : layer.callMany(given, context)));
    checkResult(layer, value, [given[0]!, ...context.weights], shapes[i + 1]!);
    values.push(value);
    needed.release(values, inputs);
  }
  return values.at(-1)!;
}

/** For each use the layers from there on of which each is the only one that reads what the one before gives. */
function chainsOf({ uses, layers }: Pick<Graph, 'uses' | 'layers'>): Layer[][] {
  const readers = Array<number>(uses.length + 1).fill(0);
  for (const { inputs } of uses) for (const value of inputs) readers[value]!++;
  const chains: Layer[][] = [];
  for (let i = uses.length - 1; i >= 0; i--) {
    const next = uses[i + 1];
    const goesOn = next?.inputs.length === 1 && next.inputs[0] === i + 1 && readers[i + 1] === 1;
    const { layer } = layers[uses[i]!.layer]!;
    // A softmax or sigmoid at the end is left to the loss.
    if (i === uses.length - 1 && layer.endsIn !== null) chains[i] = [];
    else chains[i] = [layer, ...(goesOn ? chains[i + 1]!.slice(0, LONGEST_FUSION - 1) : [])];
  }
  return chains;
}

/** A layer's name in messages, with its class where the name does not say it: `dense_1`, or `scale (Scale)`. */
const title = ({ name, kind, named }: Layer) => (named ? `${name} (${kind})` : (name ?? kind));

/** Runs a layer's call; what an operator in it refuses is told with the layer's name, or one would look for it elsewhere. */
function namingErrors<T>(layer: Layer, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof ShapeError) throw new ShapeError(`${title(layer)}: ${error.message}`, { cause: error });
    // Not its subclasses, which have exit codes of their own.
    if (!(error instanceof ArgumentError) || error.code !== 'ARGUMENT') throw error;
    throw new ArgumentError(`${title(layer)}: ${error.message}`, { cause: error });
  }
}

/** @throws ArgumentError, ShapeError unless a layer returned what it planned: otherwise the next one would be blamed */
function checkResult(layer: Layer, value: Tensor, from: readonly Tensor[], shape: Shape): void {
  const x = from[0]!;
  const what = `${title(layer)}: call must return`;
  if (!(value instanceof Tensor)) throw new ArgumentError(`${what} a tensor, but returned ${show(value)}`);
  if (value.array.disposed) {
    throw new ArgumentError(
      `${what} a tensor that can still be used, but the one of ${showShape(value.shape)} was disposed`,
    );
  }
  if (value.dtype !== 'f32') throw new ArgumentError(`${what} numbers of type f32, but returned ${value.dtype}`);
  if (value.device !== x.device) throw new ArgumentError(`${what} a tensor on the model's device`);
  if (!from.some(({ models }) => models === value.models)) {
    throw new ShapeError(`${what} values of each of ${x.models} replicas, but returned those of ${value.models}`);
  }
  const planned = [x.shape[0]!, ...shape];
  if (!sameShape(value.shape, planned)) {
    throw new ShapeError(
      `${what} ${showShape(planned)}, since its plan gave outputShape ${showShape(shape)}, but returned ${showShape(value.shape)}; ` +
        'mend its plan or its call',
    );
  }
}

/** Where each item's share begins when the shares lie one after another. */
function firstOf<T>(items: readonly T[], share: (item: T) => number): number[] {
  let sum = 0;
  return items.map((item) => {
    const first = sum;
    sum += share(item);
    return first;
  });
}

/**
 * Releases values that no later layer reads and no backward pass needs, so that inference, and training above a frozen part,
 * needs memory for the widest place of a model and not for its whole length.
 */
class UseCount {
  /** By value: how many uses of it are to come. */
  private readonly left: number[];
  /** By tensor, which several values may share: how many uses are to come, and whether a tape may still read it. */
  private readonly held = new Map<Tensor, { left: number; isTaped: boolean }>();

  constructor(uses: Graph['uses'], x: Tensor) {
    this.left = Array<number>(uses.length + 1).fill(0);
    for (const { inputs } of uses) for (const value of inputs) this.left[value]!++;
    this.left[uses.length]!++; // the output is wanted
    this.hold(x, 0);
  }

  private hold(tensor: Tensor, value: number): void {
    const held = this.held.get(tensor) ?? { left: 0, isTaped: false };
    this.held.set(tensor, { ...held, left: held.left + this.left[value]! });
  }

  /** After the newest of `values` was made from `inputs`. */
  release(values: readonly (Tensor | null)[], inputs: readonly number[]): void {
    const newest = values.at(-1)!;
    this.hold(newest, values.length - 1);
    for (const value of inputs) {
      const tensor = values[value]!;
      const held = this.held.get(tensor)!;
      held.left--;
      if (newest.requiresGrad) held.isTaped = true;
      if (held.left === 0 && !held.isTaped && tensor !== values[0]) tensor.dispose();
    }
  }
}
