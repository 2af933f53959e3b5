import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/** Default number of seconds without a sign of a job's worker after which another worker gets the job. */
export const STALL_SECONDS = 30;

/** Number of workers that may be lost while they run a job; with one more, the job has failed. */
export const MAX_STALLS = 2;

/**
 * Returns the durations of locks and between checks. A lock lasts half of the stall time. A job counts as stalled if two consecutive checks
 * find it without its lock, so the checks must be a quarter of the stall time apart: 1/2 + 2 * 1/4.
 * @throws ArgumentError for a number that is out of range
 */
export function stallTimes(stallSeconds: number): { lockMs: number; checkMs: number } {
  if (typeof stallSeconds === 'number' && stallSeconds >= 0.4 && stallSeconds <= 86_400) {
    return { lockMs: stallSeconds * 500, checkMs: stallSeconds * 250 };
  }
  throw new ArgumentError(
    `queue: stallSeconds must be a number from 0.4 to 86400, but is ${formatValue(stallSeconds)}`,
  );
}
