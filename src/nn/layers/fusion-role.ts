import type { Layer } from './layer.ts';

// Layers declare their role in fusions, and src/nn/graph/fusion.ts imports only their types. A bundle without some of the layers therefore
// does not include their kernels.

/** Key of a layer's role in fusions. A symbol, because users' layers may have members of any name. */
export const fusionRole: unique symbol = Symbol('fusing');

export interface FusionRole {
  /** Role of the layer, if its `call` is that of `Class`. */
  role: 'padding' | 'convolution' | 'normalization' | 'activation';
  Class: { prototype: Layer };
}
