import { checkF32, formatValue, type OptionNames } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { DType } from '../kernels/array.ts';
import { type FusedActivation, fusedActivations } from '../kernels/epilogue.ts';

const RANGES = { u32: [0, 0xffffffff], i32: [-0x80000000, 0x7fffffff] } as const;

/** @throws ArgumentError if a number operand does not fit the type of the tensor operand */
export function checkFits(operator: string, value: number, dtype: DType): void {
  if (dtype === 'f32') return void checkF32(`${operator}: the number`, value);
  const [low, high] = RANGES[dtype];
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new ArgumentError(
    `${operator}: the number ${formatValue(value)} is not ${dtype}, the type of the tensor; use cast(x, 'f32') on the tensor`,
  );
}

/**
 * An activation that an operator applies in the same kernel.
 * @inline
 */
export interface ActivationOptions {
  /** Activation applied to the result before it is stored. Default none. */
  activation?: (typeof fusedActivations)[number];
  /** Slope of `leakyRelu` below 0. Default 0.01, as in PyTorch. */
  negativeSlope?: number;
}
export const activationNames: OptionNames<ActivationOptions> = { activation: true, negativeSlope: true };

/** Parses an activation option; null for none. @throws ArgumentError for an unknown activation, or a slope that is not a number from 0 up */
export function parseActivation(
  operator: string,
  { activation, negativeSlope = 0.01 }: ActivationOptions,
): FusedActivation | null {
  if (activation === undefined) return null;
  if (!fusedActivations.includes(activation)) {
    throw new ArgumentError(
      `${operator}: activation must be left out or one of ${fusedActivations.join(', ')}, but is ${formatValue(activation)}`,
    );
  }
  // With a negative slope, the sign of the output would not determine the sign of the input.
  if (typeof negativeSlope !== 'number' || !Number.isFinite(negativeSlope) || negativeSlope < 0) {
    throw new ArgumentError(
      `${operator}: negativeSlope must be a number from 0 up, but is ${formatValue(negativeSlope)}`,
    );
  }
  checkF32(`${operator}: negativeSlope`, negativeSlope);
  if (activation === 'leakyRelu' && negativeSlope === 0) return { name: 'relu', p: 0 };
  return { name: activation, p: activation === 'leakyRelu' ? negativeSlope : 0 };
}
