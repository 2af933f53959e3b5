import type { Layer } from '../layers/layer.ts';
import type { Weight, WeightSpec } from './weight.ts';

/** What a weight of a layer begins with in the next model that the layer is part of. */
export type CarriedWeight = Pick<WeightSpec, 'copyOf' | 'initialValues'>;

/** By layer that is no model: its weights in the model that was built or given values last, as in Keras layers have their weights. */
const carried = new WeakMap<Layer, readonly CarriedWeight[]>();

export const carryWeights = (layer: Layer, weights: readonly CarriedWeight[]): void => {
  carried.set(layer, weights);
};

/** In the order of the layer's weights; nothing for a layer that no model has had. */
export const carriedWeightsOf = (layer: Layer): readonly CarriedWeight[] => carried.get(layer) ?? [];

export const asCopyOf = (weight: Weight): CarriedWeight => ({ copyOf: weight });
