import activationCode from '../../shaders/epilogue_activation.wgsl';
import reluCode from '../../shaders/epilogue_relu.wgsl';
import type { KernelSource } from '../gpu/pipelines.ts';
import type { DeviceArray } from './array.ts';
import { withFloatBits } from './float-bits.ts';
import { reluGrad } from './pointwise/pointwise.ts';
import { pointwiseFunctions } from './pointwise/pointwise-functions.ts';
import { unary, unaryGrad } from './pointwise/pointwise-rows.ts';
import { unaryTable } from './pointwise/pointwise-table.ts';

/** Activations that kernels compute when they store results. */
export const fusedActivations = ['relu', 'relu6', 'leakyRelu', 'sigmoid', 'tanh'] as const;

/** A fused activation with its option, as in the table of pointwise operators. */
export interface FusedActivation {
  name: (typeof fusedActivations)[number];
  p: number;
}

/** Operations on the results of a product or convolution, fused into the store. */
export interface Epilogue {
  /** f32 [n], added to every row. */
  bias?: DeviceArray | null;
  activation?: FusedActivation | null;
}

/** The epilogue of a matrix product. */
export interface ProductEpilogue extends Epilogue {
  /**
   * Output of a ReLU, in the result's shape. The result is set to 0 where this output is 0: it becomes the gradient before the ReLU.
   * Excludes `bias` and `activation`.
   */
  reluMask?: DeviceArray | null;
}

/** The parameters `has_bias` and `epilogue` of the kernels: `epilogue` is 1 for an activation, 2 for a ReLU mask, else 0. */
export const epilogueFlags = ({ bias, activation, reluMask }: ProductEpilogue): [number, number] =>
  reluMask ? [0, 2] : [bias ? 1 : 0, activation ? 1 : 0];

/** The array bound as the bias: the ReLU mask, the bias, or `unread` if the kernel reads neither. */
export const epilogueArray = ({ bias, reluMask }: ProductEpilogue, unread: DeviceArray): DeviceArray =>
  reluMask ?? bias ?? unread;

/**
 * Adds `apply_epilogue` and `apply_epilogue4` to a kernel that calls them. The same kernel is used with a ReLU and without activation; every
 * other activation needs a separate kernel, which is compiled when it is first used.
 */
export function withEpilogue(source: KernelSource, activation?: FusedActivation | null): KernelSource {
  if (!activation || activation.name === 'relu') {
    return withFloatBits({ ...source, code: `${source.code}\n${reluCode}` });
  }
  const { name, p } = activation;
  const text = `fn activation(x: f32) -> f32 { const p = f32(${p}); return ${unaryTable[name].forward}; }\n`;
  return {
    ...source,
    name: `${source.name}_${name}`,
    code: `${source.code}\n${pointwiseFunctions}${text}${activationCode}`,
  };
}

/** The endings that `withEpilogue` adds, one for each activation. */
export const epilogueShaders: readonly string[] = fusedActivations.map(
  (name) => withEpilogue({ name: '', code: '' }, { name, p: 0 }).code,
);

/**
 * Whether the derivative needs the activation's input. The output of a sigmoid rounds to 1 for inputs from 17 on, that of tanh from 9 on,
 * but the derivative there is 4e-8: it cannot be computed from the output.
 */
const needsInput = ({ name }: FusedActivation) => name === 'sigmoid' || name === 'tanh';

/** The output of an activation, with the array that its gradient is computed from. */
export interface ActivatedOutput {
  y: DeviceArray;
  /** y if the derivative can be computed from it, else the activation's input. */
  derivativeInput: DeviceArray;
}

/**
 * Runs a product or convolution with an activation. It is fused into the store of `run`, unless there will be a gradient that needs the
 * activation's input: then a second kernel applies it (8 bytes per element).
 */
export function applyActivation(
  activation: FusedActivation | null,
  withGradient: boolean,
  run: (activation: FusedActivation | null) => DeviceArray,
): ActivatedOutput {
  if (!activation || !withGradient || !needsInput(activation)) {
    const y = run(activation);
    return { y, derivativeInput: y };
  }
  const derivativeInput = run(null);
  return { y: unary(activation.name, derivativeInput, [activation.p, 0]), derivativeInput };
}

/** The gradient before an activation, from dy after it; may be dy itself. Memory-bound. */
export function activationGrad(
  activation: FusedActivation | null,
  { y, derivativeInput }: ActivatedOutput,
  dy: DeviceArray,
): DeviceArray {
  if (!activation) return dy;
  if (activation.name === 'relu') return reluGrad(y, dy);
  // y may replace the input here: it has the same sign and is on the same side of every kink.
  return unaryGrad(activation.name, derivativeInput, y, dy, [activation.p, 0]);
}
