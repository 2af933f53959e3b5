import { isTaped } from '../../autograd/tape.ts';
import { Tensor } from '../../autograd/tensor.ts';
import type { Activation, ReLU } from '../layers/activation.ts';
import type { BatchNormalization } from '../layers/batch-normalization.ts';
import type { Conv2D } from '../layers/conv2d.ts';
import type { DepthwiseConv2D } from '../layers/depthwise.ts';
import { type FusionRole, fusionRole } from '../layers/fusing.ts';
import type { CallContext, Layer } from '../layers/layer.ts';
import type { ZeroPadding2D } from '../layers/shaping.ts';

// Layers that are computed in one go, because each pass over images costs as much as the next:
//   ZeroPadding2D and a convolution that can pad as much itself: no padded copy, nor one of its gradient. A weight that is not finite
//     does nothing where it meets such zeros alone, as with padding 'same', where zeros that are there would make it NaN
//   BatchNormalization and a ReLU: in one store, and one output to keep for the backward pass instead of two
//   a convolution and a BatchNormalization by moving statistics where nothing is differentiated, with a ReLU or without: one
//   convolution by weights that have the normalisation in them

/** The layers of a fusion, by what they are in it. */
interface LayersByRole extends Record<FusionRole['role'], Layer> {
  padding: ZeroPadding2D;
  convolution: Conv2D | DepthwiseConv2D;
  normalization: BatchNormalization;
  activation: Activation | ReLU;
}

/** Layers that a fusion has at most. */
export const MAX_FUSED_LAYERS = 4;

/** What several layers gave, the first `layers` of a chain. */
export interface FusedCall {
  value: Tensor;
  layers: number;
}

/**
 * Calls the first layers of a chain in one go where there is a kernel for it, else returns null.
 * @param chain layers of which each is the only one that reads what the one before gives
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
 * From this epsilon on, a variance of 0 makes finite weights. Below, they would be infinite, and their products add up to NaN where
 * normalizing a finite sum gives an infinity.
 */
const MIN_FOLD_EPSILON = 1e-30;

/**
 * Kernel and bias with the normalisation in them; null where gradients go through, or something lies between. What is not finite in a
 * kernel, or a gamma, may come out as NaN where the layers one by one give an infinity.
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

/** The layer in that role, unless it has none, or somebody gave it another `call` or `callMany`. */
function asRole<R extends keyof LayersByRole>(layer: Layer | undefined, role: R): LayersByRole[R] | null {
  const { role: layerRole, Class } =
    (layer as Partial<Record<typeof fusionRole, FusionRole>> | undefined)?.[fusionRole] ?? {};
  if (layerRole !== role || !Class) return null;
  const { call, callMany } = Class.prototype;
  return layer!.call === call && layer!.callMany === callMany ? (layer as LayersByRole[R]) : null;
}
