import type { ModelLayer } from './figures/schema.ts';

/**
 * The part of a model that its drawing needs; `Model` has it.
 * @inline
 */
export interface DrawnModel {
  /** Shape of one sample, without the batch. */
  inputShape: readonly number[];
  /** The layers, each once. */
  plannedLayers: readonly {
    /** The layer itself. */
    layer: {
      /** Keras's name of its class. */
      kind: string;
    };
    /** Its name in the model. */
    name: string;
    /** Shape of one sample of its output. */
    outputShape: readonly number[];
    /** Its weights. */
    weights: readonly {
      /** Shape of the weight. */
      shape: readonly number[];
    }[];
  }[];
  /** The uses of the layers in order. Values are numbered: 0 is the model's input, i + 1 the output of use i. */
  uses: readonly {
    /** Number of the layer in `plannedLayers`. */
    layer: number;
    /** The numbers of its input values. */
    inputs: readonly number[];
  }[];
}

/** Returns a model's layers for a drawing: a box for each use, so that shared layers are recognizable. */
export function modelLayers({ plannedLayers, uses }: DrawnModel): ModelLayer[] {
  const names = ['']; // of the values
  return uses.map(({ layer: index, inputs }, i) => {
    const { layer, name, outputShape, weights } = plannedLayers[index]!;
    const earlier = uses.slice(0, i).filter((use) => use.layer === index).length;
    names.push(earlier === 0 ? name : `${name} (use ${earlier + 1})`);
    return {
      name: names[i + 1]!,
      kind: layer.kind,
      inbound: inputs.map((value) => names[value]!),
      outputShape: [...outputShape],
      // Shared weights count once.
      parameters: earlier > 0 ? 0 : weights.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0),
    };
  });
}
