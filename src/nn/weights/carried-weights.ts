import type { Layer } from '../layers/layer.ts';
import type { Weight, WeightSpec } from './weight.ts';

/** Initial values of a layer's weight in the next model that the layer is part of. */
export type CarriedWeight = Pick<WeightSpec, 'copyOf' | 'initialValues'>;

/**
 * Weights by layer (models excluded), from the last model that was built or given values. In Keras, layers own their weights; this
 * map gives the same effect.
 */
const carried = new WeakMap<Layer, readonly CarriedWeight[]>();

export const carryWeights = (layer: Layer, weights: readonly CarriedWeight[]): void => {
  carried.set(layer, weights);
};

/** In the order of the layer's weights; empty if the layer was never part of a model. */
export const carriedWeightsOf = (layer: Layer): readonly CarriedWeight[] => carried.get(layer) ?? [];

export const asCopyOf = (weight: Weight): CarriedWeight => ({ copyOf: weight });
