import { map, type NdArray } from './ndarray.ts';

/** Activations that `linear` and `conv2d` support in their epilogue. */
export type Activation = 'relu' | 'relu6' | 'leakyRelu' | 'sigmoid' | 'tanh';

/**
 * Each with its derivative as a function of the input x or, if it has kinks, of the output y; `slope` is for `leakyRelu`. At a kink, the
 * gradient is the left-hand derivative.
 */
const activations: Record<
  Activation,
  { forward(x: number, slope: number): number; derivative(y: number, slope: number, x: number): number }
> = {
  // NaN stays NaN, also when multiplied by 0.
  relu: { forward: (x) => Math.max(x, 0), derivative: (y) => (y <= 0 ? 0 : 1) },
  relu6: { forward: (x) => Math.min(Math.max(x, 0), 6), derivative: (y) => (y <= 0 || y >= 6 ? 0 : 1) },
  leakyRelu: { forward: (x, slope) => (x <= 0 ? slope * x : x), derivative: (y, slope) => (y > 0 ? 1 : slope) },
  sigmoid: { forward: (x) => 1 / (1 + Math.exp(-x)), derivative: (_y, _slope, x) => 1 / (2 + 2 * Math.cosh(x)) },
  tanh: { forward: Math.tanh, derivative: (_y, _slope, x) => 1 / Math.cosh(x) ** 2 },
};

export function activate(x: NdArray, activation: Activation | undefined, slope = 0.01): NdArray {
  return activation ? map(x, (value) => activations[activation].forward(value, slope)) : x;
}

/** dout times the derivative. `z` is the activation's input, `output` its output. */
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
