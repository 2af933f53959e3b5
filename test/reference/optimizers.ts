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

/** Optimizer state of a weight: named arrays of its shape, initially zero. */
export type Slots = Record<'m' | 'v' | 'a', NdArray>;
export const slotsOf = (weight: NdArray): Slots => ({
  m: zerosLike(weight),
  v: zerosLike(weight),
  a: zerosLike(weight),
});

/** Rule for one element: returns the new value of weight w from gradient g and step t (from 1), and updates the state s. */
type Rule<Options> = (
  w: number,
  g: number,
  s: { m: number; v: number; a: number },
  t: number,
  o: Required<Options>,
) => number;

/** A function that takes a step of a whole weight, in place, by a rule for one element. */
function stepByElement<Options>(rule: Rule<Options>, defaults: Required<Options>) {
  return (weight: NdArray, grad: NdArray, slots: Slots, t: number, options: Options): void => {
    const all = { ...defaults, ...options };
    for (let i = 0; i < weight.data.length; i++) {
      const s = { m: slots.m.data[i]!, v: slots.v.data[i]!, a: slots.a.data[i]! };
      weight.data[i] = rule(weight.data[i]!, grad.data[i]!, s, t, all);
      slots.m.data[i] = s.m;
      slots.v.data[i] = s.v;
      slots.a.data[i] = s.a;
    }
  };
}

/** keras/src/optimizers/sgd.py, update_step. */
export const sgdStep = stepByElement<{ learningRate?: number; momentum?: number; nesterov?: boolean }>(
  (w, g, s, _t, { learningRate, momentum, nesterov }) => {
    if (momentum === 0) return w - learningRate * g;
    s.m = momentum * s.m - learningRate * g;
    return nesterov ? w + momentum * s.m - learningRate * g : w + s.m;
  },
  { learningRate: 0.01, momentum: 0, nesterov: false },
);

/** keras/src/optimizers/rmsprop.py, update_step. */
export const rmspropStep = stepByElement<{
  learningRate?: number;
  rho?: number;
  momentum?: number;
  epsilon?: number;
  centered?: boolean;
}>(
  (w, g, s, _t, { learningRate, rho, momentum, epsilon, centered }) => {
    s.v = rho * s.v + (1 - rho) * g * g;
    if (centered) s.a = rho * s.a + (1 - rho) * g;
    const increment = (learningRate * g) / Math.sqrt(s.v - (centered ? s.a * s.a : 0) + epsilon);
    if (momentum === 0) return w - increment;
    s.m = momentum * s.m + increment;
    return w - s.m;
  },
  { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
);

/** keras/src/optimizers/adam.py after base_optimizer.py's _apply_weight_decay. */
export const adamwStep = stepByElement<AdamOptions & { weightDecay?: number }>(
  (w, g, s, t, { learningRate, beta1, beta2, epsilon, weightDecay }) => {
    s.m += (g - s.m) * (1 - beta1);
    s.v += (g * g - s.v) * (1 - beta2);
    const rate = (learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
    return w - w * weightDecay * learningRate - (s.m * rate) / (Math.sqrt(s.v) + epsilon);
  },
  { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.004 },
);

const squares = (a: NdArray) => a.data.reduce((sum, g) => sum + g * g, 0);
const scaleArray = (a: NdArray, scale: number): NdArray => ({ shape: a.shape, data: a.data.map((g) => g * scale) });

/** keras/src/optimizers/base_optimizer.py, _clip_gradients. */
export function clip(
  grads: readonly NdArray[],
  { clipNorm, globalClipNorm, clipValue }: { clipNorm?: number; globalClipNorm?: number; clipValue?: number },
): NdArray[] {
  if (clipNorm !== undefined)
    return grads.map((g) => scaleArray(g, clipNorm / Math.max(Math.sqrt(squares(g)), clipNorm)));
  if (globalClipNorm !== undefined) {
    const norm = Math.sqrt(grads.reduce((sum, g) => sum + squares(g), 0));
    const scale = globalClipNorm * Math.min(1 / norm, 1 / globalClipNorm) + (norm - norm);
    return grads.map((g) => scaleArray(g, scale));
  }
  const limit = clipValue!;
  return grads.map((g) => ({ shape: g.shape, data: g.data.map((x) => Math.max(-limit, Math.min(limit, x))) }));
}
