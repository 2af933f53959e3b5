import { isTaped } from '../autograd/tape.ts';
import { Tensor } from '../autograd/tensor.ts';
import { foldBatchNorm } from '../kernels/fold-batch-norm.ts';
import { Activation, ReLU } from './layers/activation.ts';
import { BatchNormalization } from './layers/batch-normalization.ts';
import { Conv2D } from './layers/conv2d.ts';
import { DepthwiseConv2D } from './layers/depthwise.ts';
import type { CallContext, Layer } from './layers/layer.ts';
import { ZeroPadding2D } from './layers/shaping.ts';

// Layers that are computed in one go, because each pass over images costs as much as the next:
//   ZeroPadding2D and a convolution that can pad as much itself: no padded copy, nor one of its gradient. A weight that is not finite
//     does nothing where it meets such zeros alone, as with padding 'same', where zeros that are there would make it NaN
//   BatchNormalization and a ReLU: in one store, and one output to keep for the backward pass instead of two
//   a convolution and a BatchNormalization by moving statistics where nothing is differentiated, with a ReLU or without: one
//   convolution by weights that have the normalisation in them

type Convolution = Conv2D | DepthwiseConv2D;

/** Layers that a fusion has at most. */
export const LONGEST_FUSION = 4;

/** The layer as one of tilegrad's own classes, unless somebody gave it another `call` or `callMany`. */
function own<T extends Layer>(layer: Layer | undefined, kind: { prototype: T }): T | null {
  if (!(layer instanceof (kind as unknown as new () => T))) return null;
  const { call, callMany } = kind.prototype;
  return layer.call === call && layer.callMany === callMany ? layer : null;
}

const convolutionOf = (layer: Layer | undefined): Convolution | null =>
  own(layer, Conv2D) ?? own(layer, DepthwiseConv2D);

/** The activation that a layer is, if kernels of batch normalisation have it. */
function activationOf(layer: Layer | undefined): 'relu' | 'relu6' | undefined {
  const name = own(layer, ReLU)?.fusedName ?? own(layer, Activation)?.activation;
  return name === 'relu' || name === 'relu6' ? name : undefined;
}

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
  const paddings = own(chain[0], ZeroPadding2D)?.paddings;
  const padded = paddings && convolutionOf(chain[1])?.padsAlike(x.shape, paddings) ? 1 : 0;
  const convolution = convolutionOf(chain[padded]);
  const padding = padded ? 'same' : undefined;
  const at = padded + (convolution ? 1 : 0);
  const normalization = own(chain[at], BatchNormalization);
  const activation = activationOf(chain[at + 1]);
  if (!convolution) {
    if (!normalization || !activation) return null;
    return { value: normalization.normalize(x, contextOf(0), activation), layers: 2 };
  }
  const folded = normalization && fold(convolution, normalization, x, contextOf(padded), contextOf(at));
  if (folded) {
    const value = convolution.convolve(x, folded, { activation, padding });
    for (const weight of folded) weight.dispose();
    return { value, layers: at + (activation ? 2 : 1) };
  }
  return padded ? { value: convolution.callPadded(x, contextOf(padded), 'same'), layers: 2 } : null;
}

/**
 * From this epsilon on, a variance of 0 makes finite weights. Below, they would be infinite, and their products add up to NaN where
 * normalizing a finite sum gives an infinity.
 */
const LEAST_EPSILON = 1e-30;

/**
 * Kernel and bias with the normalisation in them; null where gradients go through, or something lies between. What is not finite in a
 * kernel, or a gamma, may come out as NaN where the layers one by one give an infinity.
 */
function fold(
  convolution: Convolution,
  normalization: BatchNormalization,
  x: Tensor,
  { weights }: CallContext,
  context: CallContext,
): [kernel: Tensor, bias: Tensor] | null {
  if (!convolution.isLinear || isTaped([x, ...weights, ...context.weights])) return null;
  const fixed = normalization.fixed(x, context);
  if (!fixed || fixed.epsilon < LEAST_EPSILON) return null;
  const [kernel, bias] = weights as [Tensor, Tensor?];
  const folded = foldBatchNorm(kernel.array, bias?.array ?? null, fixed);
  return [new Tensor(folded.filter), new Tensor(folded.bias)];
}
