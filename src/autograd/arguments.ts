import { show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { DeviceArray } from '../kernels/array.ts';
import { Tensor } from './tensor.ts';

/** The data of an operator's argument. @throws ArgumentError naming operator and argument when it is no tensor */
export function arrayOf(operator: string, what: string, value: Tensor): DeviceArray {
  if (!(value instanceof Tensor))
    throw new ArgumentError(`${operator}: ${what} must be a tensor, but is ${show(value)}`);
  return value.array;
}

/** What an operator can compute in the store of its kernel. */
const ACTIVATIONS = ['relu'] as const;
export type FusedActivation = (typeof ACTIVATIONS)[number];

/** Whether a ReLU is asked for. @throws ArgumentError for an activation that no kernel has */
export function wantsRelu(operator: string, activation: FusedActivation | undefined): boolean {
  if (activation !== undefined && !ACTIVATIONS.includes(activation)) {
    throw new ArgumentError(
      `${operator}: activation must be left out or one of ${ACTIVATIONS.join(', ')}, but is ${show(activation)}`,
    );
  }
  return activation === 'relu';
}
