import type { Layer } from './layer.ts';

// Layers say themselves what they are to fusions (src/nn/graph/fusion.ts), which only know their types: a program whose layers are never fused
// does not carry the kernels of those that are.

/** What a layer is to a fusion, and the class whose `call` is meant by it. A symbol, as users' layers have members of any name. */
export const fusionRole: unique symbol = Symbol('fusing');

export interface FusionRole {
  role: 'padding' | 'convolution' | 'normalization' | 'activation';
  Class: { prototype: Layer };
}
