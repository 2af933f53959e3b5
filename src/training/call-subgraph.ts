import type { Tensor } from '../autograd/tensor.ts';
import { type GraphRange, runGraph } from '../nn/graph/run-graph.ts';
import type { CallOptions } from '../nn/layers/layer.ts';
import type { Trainable } from './trainable.ts';

/**
 * Runs the layers of a built model between two of its graph values, with the random numbers that they draw in `Model.callLogits`.
 * @param range first and last graph value; x is the first one
 * @param options.weights default: the weights of the model
 */
export function callSubgraph(
  { graph, weights: modelWeights }: Trainable,
  x: Tensor,
  range: GraphRange,
  {
    training = false,
    seed = 0,
    step = 0,
    weights = modelWeights.map(({ tensor }) => tensor),
  }: CallOptions & { weights?: readonly Tensor[] },
): Tensor {
  return runGraph(graph, x, { weights, training, random: { seed, layer: 0, step } }, range);
}
