import type { Shape } from '../../kernels/array.ts';
import type { FinalActivation, Graph, Layer } from '../layers/layer.ts';

/**
 * One call of a layer in a model, models inside it taken apart. Values are numbered as in `Graph`: 0 is the model's input, i + 1
 * what call number i gives.
 */
export interface LayerCall {
  layer: Layer;
  /** What messages call it: the models it is in, then the layer. */
  title: string;
  inputs: readonly number[];
  /** Its weights among those of the whole model. */
  firstWeight: number;
  weightCount: number;
  /** Its number among the model's layers, by which random layers draw. */
  layerIndex: number;
  /** Whether the layer leaves out the softmax or sigmoid that it ends in: at the end of a model. */
  isLogits: boolean;
  /** What follows those logits, at the end of a model inside another. */
  activation: FinalActivation | null;
  /** Shape of one sample of the value. */
  shape: Shape;
}

const callsByGraph = new WeakMap<Graph, readonly LayerCall[]>();

/** A layer's name in messages, with its class where the name does not say it: `dense_1`, or `scale (Scale)`. */
const title = ({ name, kind, named }: Layer) => (named ? `${name} (${kind})` : (name ?? kind));

/** The calls of all layers of a model in their order, through the models inside it. */
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

/** @returns the number of the value that the graph gives */
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
      // At the end of a model, the activation is left to whoever calls that one.
      if (!isLast) calls.at(-1)!.activation = layer.finalActivation;
    } else {
      calls.push({
        layer,
        title: titles,
        inputs: givenValues,
        firstWeight: firstWeights[index]!,
        weightCount: weights.length,
        layerIndex,
        isLogits: isLast && layer.finalActivation !== null,
        activation: null,
        shape: shapes[i + 1]!,
      });
      values.push(calls.length);
    }
    layerIndex += layer.layerIndexCount;
  }
  return values.at(-1)!;
}
