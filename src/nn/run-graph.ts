import { Tensor } from '../autograd/tensor.ts';
import { show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { Graph } from './graph.ts';
import type { CallContext } from './layers/layer.ts';

/**
 * A model's output for x [N, ...inputShape], layer by layer; before its last softmax or sigmoid, where it ends in one.
 * @param context the weights of all layers, one after another; its layer number is that of the first
 */
export function runGraph({ uses, layers }: Graph, x: Tensor, { weights, training, random }: CallContext): Tensor {
  const firstWeights = firstOf(layers, ({ weights }) => weights.length);
  const firstPlaces = firstOf(uses, ({ layer }) => layers[layer]!.layer.places);
  const values = [x];
  const needed = new UseCount(uses, x);
  for (const [i, { layer: index, inputs }] of uses.entries()) {
    const { layer, weights: specs } = layers[index]!;
    const first = firstWeights[index]!;
    const context = {
      weights: weights.slice(first, first + specs.length),
      training,
      random: { ...random, layer: random.layer + firstPlaces[i]! },
    };
    const given = inputs.map((value) => values[value]!);
    const last = i === uses.length - 1 && layer.endsIn !== null;
    const value = last ? layer.callLogits(given[0]!, context) : layer.callMany(given, context);
    if (!(value instanceof Tensor)) {
      throw new ArgumentError(`${layer.name ?? layer.kind}: call must return a tensor, but returned ${show(value)}`);
    }
    values.push(value);
    needed.release(values, inputs);
  }
  return values.at(-1)!;
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
  release(values: readonly Tensor[], inputs: readonly number[]): void {
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
