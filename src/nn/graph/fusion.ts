import { isTaped } from '../../autograd/tape.ts';
import { Tensor } from '../../autograd/tensor.ts';
import type { Activation, ReLU } from '../layers/activation.ts';
import type { BatchNormalization } from '../layers/batch-normalization.ts';
import type { Conv2D } from '../layers/conv2d.ts';
import type { DepthwiseConv2D } from '../layers/depthwise.ts';
import { type FusionRole, fusionRole } from '../layers/fusion-role.ts';
import type { CallContext, Layer } from '../layers/layer.ts';
import type { ZeroPadding2D } from '../layers/shaping.ts';

// Fused layers. Each saves passes over images, which are memory-bound:
//   ZeroPadding2D and a convolution whose padding 'same' adds the same zeros: no padded copy of the images or of their gradient. A weight
//     that is not finite has no effect where it meets only those zeros, as with padding 'same'; stored zeros would make NaN of it.
//   BatchNormalization and a ReLU: one store, and one output instead of two kept for the backward pass.
//   A convolution and a BatchNormalization with moving statistics, with or without a ReLU, if no gradient is needed: one convolution
//     with the normalization folded into its weights.

/** Types of the layers of a fusion, by their role. */
interface LayersByRole extends Record<FusionRole['role'], Layer> {
  padding: ZeroPadding2D;
  convolution: Conv2D | DepthwiseConv2D;
  normalization: BatchNormalization;
  activation: Activation | ReLU;
}

/** Largest number of layers in a fusion. */
export const MAX_FUSED_LAYERS = 4;

/** Output of the first `layers` layers of a chain. */
export interface FusedCall {
  value: Tensor;
  layers: number;
}

/**
 * Calls the first layers of a chain together if a kernel supports it, else returns null.
 * @param chain layers, each of which is the only one that reads the output of the one before
 * @param contextOf the context of layer i of the chain
 */
export function callFused(chain: readonly Layer[], x: Tensor, contextOf: (i: number) => CallContext): FusedCall | null {
  const paddings = asRole(chain[0], 'padding')?.paddings;
  const padded = paddings && asRole(chain[1], 'convolution')?.matchesSamePadding(x.shape, paddings) ? 1 : 0;
  const convolution = asRole(chain[padded], 'convolution');
  const padding = padded ? 'same' : undefined;
  const index = padded + (convolution ? 1 : 0);
  const normalization = asRole(chain[index], 'normalization');
  const activation = asRole(chain[index + 1], 'activation')?.fusedName ?? undefined;
  if (!convolution) {
    if (!normalization || !activation) return null;
    return { value: normalization.normalize(x, contextOf(0), activation), layers: 2 };
  }
  const folded = normalization && foldNormalization(convolution, normalization, x, contextOf(padded), contextOf(index));
  if (folded) {
    const value = convolution.convolve(x, folded, { activation, padding });
    for (const weight of folded) weight.dispose();
    return { value, layers: index + (activation ? 2 : 1) };
  }
  return padded ? { value: convolution.callPadded(x, contextOf(padded), 'same'), layers: 2 } : null;
}

/**
 * Smallest epsilon for which a variance of 0 gives finite folded weights. Below it, they would be infinite, and their products would add
 * up to NaN, whereas normalizing a finite sum gives infinity.
 */
const MIN_FOLD_EPSILON = 1e-30;

/**
 * Kernel and bias with the normalization folded in; null if gradients are needed or an activation is between the two layers. If a kernel
 * or gamma is not finite, the result may be NaN where the separate layers give infinity.
 */
function foldNormalization(
  convolution: LayersByRole['convolution'],
  normalization: LayersByRole['normalization'],
  x: Tensor,
  { weights }: CallContext,
  context: CallContext,
): [kernel: Tensor, bias: Tensor] | null {
  if (!convolution.isLinear || isTaped([x, ...weights, ...context.weights])) return null;
  const fixed = normalization.fixedNormalization(x, context);
  if (!fixed || fixed.epsilon < MIN_FOLD_EPSILON) return null;
  const [kernel, bias] = weights as [Tensor, Tensor?];
  const folded = normalization.fold(kernel.array, bias?.array ?? null, fixed);
  return [new Tensor(folded.filter), new Tensor(folded.bias)];
}

/** The layer if it has that role; null if not, or if a subclass or user replaced its `call` or `callMany`. */
function asRole<R extends keyof LayersByRole>(layer: Layer | undefined, role: R): LayersByRole[R] | null {
  const { role: layerRole, Class } =
    (layer as Partial<Record<typeof fusionRole, FusionRole>> | undefined)?.[fusionRole] ?? {};
  if (layerRole !== role || !Class) return null;
  const { call, callMany } = Class.prototype;
  return layer!.call === call && layer!.callMany === callMany ? (layer as LayersByRole[R]) : null;
}
