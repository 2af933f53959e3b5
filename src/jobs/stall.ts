import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/** Default of the seconds without a sign of its worker after which another one gets a job. */
export const STALL_SECONDS = 30;

/** Workers that a job may cost: one more, and it has failed. */
export const MAX_STALLS = 2;

/**
 * A lock lasts half of the stall time. A job counts as stalled if two checks in a row find it without its lock, so that the checks
 * must be a quarter of it apart: 1/2 + 2 * 1/4.
 * @throws ArgumentError
 */
export function stallTimes(stallSeconds: number): { lockMs: number; checkMs: number } {
  if (typeof stallSeconds === 'number' && stallSeconds >= 0.4 && stallSeconds <= 86_400) {
    return { lockMs: stallSeconds * 500, checkMs: stallSeconds * 250 };
  }
  throw new ArgumentError(
    `queue: stallSeconds must be a number from 0.4 to 86400, but is ${formatValue(stallSeconds)}`,
  );
}
