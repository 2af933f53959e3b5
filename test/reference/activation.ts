import { map, type NdArray } from './ndarray.ts';

/** What may be fused into the store of `linear` and `conv2d`. */
export type Activation = 'relu' | 'relu6' | 'leakyRelu' | 'sigmoid' | 'tanh';

/**
 * Each with its derivative from its input x or, for those with kinks, from its output y; `slope` is that of `leakyRelu`. Gradients at
 * kinks are those from below.
 */
const activations: Record<
  Activation,
  { forward(x: number, slope: number): number; derivative(y: number, slope: number, x: number): number }
> = {
  // NaN stays NaN, and a NaN does not hide behind a zero.
  relu: { forward: (x) => Math.max(x, 0), derivative: (y) => (y <= 0 ? 0 : 1) },
  relu6: { forward: (x) => Math.min(Math.max(x, 0), 6), derivative: (y) => (y <= 0 || y >= 6 ? 0 : 1) },
  leakyRelu: { forward: (x, slope) => (x <= 0 ? slope * x : x), derivative: (y, slope) => (y > 0 ? 1 : slope) },
  sigmoid: { forward: (x) => 1 / (1 + Math.exp(-x)), derivative: (_y, _slope, x) => 1 / (2 + 2 * Math.cosh(x)) },
  tanh: { forward: Math.tanh, derivative: (_y, _slope, x) => 1 / Math.cosh(x) ** 2 },
};

export function activate(x: NdArray, activation: Activation | undefined, slope = 0.01): NdArray {
  return activation ? map(x, (value) => activations[activation].forward(value, slope)) : x;
}

/** dout times the derivative. `z` is the activation's input, `output` what came out of it. */
export function activationGrad(
  z: NdArray,
  output: NdArray,
  dout: NdArray,
  activation: Activation | undefined,
  slope = 0.01,
): NdArray {
  if (!activation) return dout;
  return map(dout, (value, i) => {
    const derivative = activations[activation].derivative(output.data[i]!, slope, z.data[i]!);
    return derivative === 0 ? 0 : value * derivative;
  });
}
