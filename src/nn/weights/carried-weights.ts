import type { Layer } from '../layers/layer.ts';
import type { Weight, WeightSpec } from './weight.ts';

/** What a weight of a layer begins with in the next model that the layer is part of. */
export type Beginning = Pick<WeightSpec, 'copyOf' | 'initialValues'>;

/** By layer that is no model: its weights in the model that was built or given values last, as in Keras layers have their weights. */
const carried = new WeakMap<Layer, readonly Beginning[]>();

export const carry = (layer: Layer, beginnings: readonly Beginning[]): void => {
  carried.set(layer, beginnings);
};

/** In the order of the layer's weights; nothing for a layer that no model has had. */
export const carriedBy = (layer: Layer): readonly Beginning[] => carried.get(layer) ?? [];

export const beginningOf = (weight: Weight): Beginning => ({ copyOf: weight });
