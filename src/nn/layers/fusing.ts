import type { Activation, ReLU } from './activation.ts';
import type { BatchNormalization } from './batch-normalization.ts';
import type { Conv2D } from './conv2d.ts';
import type { DepthwiseConv2D } from './depthwise.ts';
import type { Layer } from './layer.ts';
import type { ZeroPadding2D } from './shaping.ts';

// Layers say themselves what they are to fusions, which only know their types: a program whose layers are never fused does not carry
// the kernels of those that are.

/** The layers of a fusion, by what they are in it. */
export interface FusionRoles {
  padding: ZeroPadding2D;
  convolution: Conv2D | DepthwiseConv2D;
  normalization: BatchNormalization;
  activation: Activation | ReLU;
}

/** What a layer is to a fusion, and the class whose `call` is meant by it. A symbol, as users' layers have members of any name. */
export const fusing: unique symbol = Symbol('fusing');

export interface Fusing {
  role: keyof FusionRoles;
  Class: { prototype: Layer };
}

/** The layer in that role, unless it has none, or somebody gave it another `call` or `callMany`. */
export function inRole<R extends keyof FusionRoles>(layer: Layer | undefined, role: R): FusionRoles[R] | null {
  const { role: own, Class } = (layer as Partial<Record<typeof fusing, Fusing>> | undefined)?.[fusing] ?? {};
  if (own !== role || !Class) return null;
  const { call, callMany } = Class.prototype;
  return layer!.call === call && layer!.callMany === callMany ? (layer as FusionRoles[R]) : null;
}
