import type { Tensor } from '../autograd/tensor.ts';
import { type GraphRange, runGraph } from '../nn/graph/run-graph.ts';
import type { CallOptions } from '../nn/layers/layer.ts';
import type { Trainable } from './trainable.ts';

/**
 * The part of a built model between two of its values, as `Model.callLogits` runs the whole.
 * @param weights default: the model's own
 */
export function callSubgraph(
  { graph, weights: own }: Trainable,
  x: Tensor,
  part: GraphRange,
  {
    training = false,
    seed = 0,
    step = 0,
    weights = own.map(({ tensor }) => tensor),
  }: CallOptions & { weights?: readonly Tensor[] },
): Tensor {
  return runGraph(graph, x, { weights, training, random: { seed, layer: 0, step } }, part);
}
