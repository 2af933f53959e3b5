import { map, type NdArray } from './ndarray.ts';

/** What may be fused into the store of `linear` and `conv2d`. */
export type Activation = 'relu' | 'relu6' | 'leakyRelu' | 'sigmoid' | 'tanh';

/** Each with its derivative from its output y; `slope` is that of `leakyRelu`. Gradients at kinks are those from below. */
const activations: Record<
  Activation,
  { forward(x: number, slope: number): number; derivative(y: number, slope: number): number }
> = {
  // NaN stays NaN, and a NaN does not hide behind a zero.
  relu: { forward: (x) => Math.max(x, 0), derivative: (y) => (y <= 0 ? 0 : 1) },
  relu6: { forward: (x) => Math.min(Math.max(x, 0), 6), derivative: (y) => (y <= 0 || y >= 6 ? 0 : 1) },
  leakyRelu: { forward: (x, slope) => (x <= 0 ? slope * x : x), derivative: (y, slope) => (y > 0 ? 1 : slope) },
  sigmoid: { forward: (x) => 1 / (1 + Math.exp(-x)), derivative: (y) => y * (1 - y) },
  tanh: { forward: Math.tanh, derivative: (y) => 1 - y * y },
};

export function activate(x: NdArray, activation: Activation | undefined, slope = 0.01): NdArray {
  return activation ? map(x, (value) => activations[activation].forward(value, slope)) : x;
}

export function activationGrad(
  output: NdArray,
  dout: NdArray,
  activation: Activation | undefined,
  slope = 0.01,
): NdArray {
  if (!activation) return dout;
  return map(dout, (value, i) => {
    const derivative = activations[activation].derivative(output.data[i]!, slope);
    return derivative === 0 ? 0 : value * derivative;
  });
}
