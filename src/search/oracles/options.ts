import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

/** Attempts to draw values that no earlier trial has, before a search counts as exhausted. KerasTuner has the same limit. */
export const MAX_ATTEMPTS = 21;

/** @throws ArgumentError unless `value` is an integer from `min` up */
export function checkCount(subject: string, name: string, value: number, min = 1): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new ArgumentError(`${subject}: ${name} must be an integer from ${min} up, but is ${formatValue(value)}`);
}
