import { type NdArray, zerosLike } from './ndarray.ts';

export interface AdamOptions {
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
}

export interface AdamState {
  step: number;
  readonly m: NdArray[];
  readonly v: NdArray[];
}

export function adamState(weights: readonly NdArray[]): AdamState {
  return { step: 0, m: weights.map(zerosLike), v: weights.map(zerosLike) };
}

/**
 * Adam as Keras writes it, with the bias corrections folded into the rate, in place:
 *
 *     m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
 *     w = w - lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)
 */
export function adamStep(
  weights: readonly NdArray[],
  grads: readonly NdArray[],
  state: AdamState,
  { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }: AdamOptions = {},
): void {
  const t = ++state.step;
  const rate = (learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
  weights.forEach((weight, k) => {
    const g = grads[k]!.data;
    const m = state.m[k]!.data;
    const v = state.v[k]!.data;
    for (let i = 0; i < g.length; i++) {
      m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
      weight.data[i]! -= (rate * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
    }
  });
}
