import type { ModelLayer } from '../report/figures/schema.ts';

/** What the drawing needs of a model: `Model` is such. */
export interface DrawnModel {
  inputShape: readonly number[];
  plannedLayers: readonly {
    layer: { kind: string };
    name: string;
    inbound: readonly string[];
    outputShape: readonly number[];
    weights: readonly { shape: readonly number[] }[];
  }[];
}

/** A model's layers as a report draws them. */
export function modelLayers(model: DrawnModel): ModelLayer[] {
  return model.plannedLayers.map(({ layer, name, inbound, outputShape, weights }) => ({
    name,
    kind: layer.kind,
    inbound: [...inbound],
    outputShape: [...outputShape],
    parameters: weights.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0),
  }));
}
