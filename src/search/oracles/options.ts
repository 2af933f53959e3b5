import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

/** Draws of a trial whose values came out as those of an earlier one before a search counts as exhausted, as in KerasTuner. */
export const MAX_ATTEMPTS = 21;

/** @throws ArgumentError unless it is an integer from `least` up */
export function checkCount(subject: string, name: string, value: number, least = 1): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ArgumentError(`${subject}: ${name} must be an integer from ${least} up, but is ${formatValue(value)}`);
}
