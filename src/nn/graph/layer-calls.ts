import type { Shape } from '../../kernels/array.ts';
import { type FinalActivation, finalActivationOf, type Graph, type Layer } from '../layers/layer.ts';

/**
 * One call of a layer in a model, in which nested models are replaced by their layers. Values are numbered as in `Graph`: 0 is the
 * model's input, i + 1 the result of call i.
 */
export interface LayerCall {
  layer: Layer;
  /** Title in messages: the models that contain the layer, then the layer. */
  title: string;
  inputs: readonly number[];
  /** Index of its first weight among those of the whole model. */
  firstWeight: number;
  weightCount: number;
  /** Index among the model's layers, by which random layers draw. */
  layerIndex: number;
  /** Whether the layer is called by `callLogits`: at the end of a model that ends in a softmax or sigmoid. */
  isLogits: boolean;
  /** Activation to apply to those logits, at the end of a nested model. */
  activation: FinalActivation | null;
  /** Shape of one sample of the value. */
  shape: Shape;
}

const callsByGraph = new WeakMap<Graph, readonly LayerCall[]>();

/** A layer's name in messages, with its class if the user chose the name: `dense_1`, or `scale (Scale)`. */
const title = ({ name, kind, named }: Layer) => (named ? `${name} (${kind})` : (name ?? kind));

/** The calls of all layers of a model in order, including those of nested models. */
export function layerCalls(graph: Graph): readonly LayerCall[] {
  let calls = callsByGraph.get(graph);
  if (!calls) {
    const added: LayerCall[] = [];
    addCalls(added, graph, { input: 0, firstWeight: 0, layerIndex: 0, titles: '' });
    calls = added;
    callsByGraph.set(graph, calls);
  }
  return calls;
}

/** @returns the number of the graph's output value */
function addCalls(
  calls: LayerCall[],
  { layers, uses, shapes }: Graph,
  start: { input: number; firstWeight: number; layerIndex: number; titles: string },
): number {
  const firstWeights: number[] = [];
  let firstWeight = start.firstWeight;
  for (const { weights } of layers) {
    firstWeights.push(firstWeight);
    firstWeight += weights.length;
  }
  const values = [start.input];
  let { layerIndex } = start;
  for (const [i, { layer: index, inputs }] of uses.entries()) {
    const { layer, weights } = layers[index]!;
    const isLast = i === uses.length - 1;
    const givenValues = inputs.map((value) => values[value]!);
    const titles = start.titles + title(layer);
    const { nested } = layer;
    if (nested) {
      const inner = { input: givenValues[0]!, firstWeight: firstWeights[index]!, layerIndex, titles: `${titles}: ` };
      values.push(addCalls(calls, nested, inner));
      // At the end of a model, the caller of the model applies the activation.
      if (!isLast) calls.at(-1)!.activation = finalActivationOf(layer);
    } else {
      calls.push({
        layer,
        title: titles,
        inputs: givenValues,
        firstWeight: firstWeights[index]!,
        weightCount: weights.length,
        layerIndex,
        isLogits: isLast && finalActivationOf(layer) !== null,
        activation: null,
        shape: shapes[i + 1]!,
      });
      values.push(calls.length);
    }
    layerIndex += layer.layerIndexCount;
  }
  return values.at(-1)!;
}
