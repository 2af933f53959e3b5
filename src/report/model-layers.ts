import type { ModelLayer } from './figures/schema.ts';

/**
 * What the drawing needs of a model: `Model` is such.
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
  /** The uses of the layers in order. Values are numbered: 0 is the model's input, i + 1 what use number i gives. */
  uses: readonly {
    /** Number of the layer in `plannedLayers`. */
    layer: number;
    /** The values it works on. */
    inputs: readonly number[];
  }[];
}

/** A model's layers as a report draws them: a box a use, so that a layer that is used twice is seen to be. */
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
