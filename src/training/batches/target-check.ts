import type { Tensor } from '../../autograd/tensor.ts';
import { DataError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { countOutside, OUTSIDE_WORDS, readOutside } from '../../kernels/metrics/metrics.ts';
import type { Loss } from '../../nn/losses.ts';

/**
 * Checks on the GPU that targets are in the range of the loss, if the host does not know them. The result is part of the totals, so it needs
 * no read-back.
 */
export class TargetCheck {
  /** Null if the loss accepts any target. @param first index of its first word in the counts */
  static create(loss: Loss, first: number): TargetCheck | null {
    return loss.targetRange ? new TargetCheck(loss.name, loss.targetRange, first) : null;
  }

  /** u32 words of the counts up to its last one. */
  readonly countSize: number;

  private constructor(
    private readonly loss: string,
    private readonly range: readonly [number, number],
    private readonly first: number,
  ) {
    this.countSize = first + OUTSIDE_WORDS;
  }

  /** Dispatches the check of a batch's targets f32 [N, ...]. */
  count(targets: Tensor, counts: DeviceArray): void {
    countOutside(targets.array, counts, { range: this.range, first: this.first });
  }

  /** @throws DataError, with the smallest and largest target, if some are out of range */
  check(subject: string, counts: Uint32Array): void {
    const { count, least, most } = readOutside(counts.subarray(this.first));
    if (count === 0) return;
    const [from, to] = this.range;
    const values = Object.is(least, most) ? `${most}` : `from ${least} to ${most}`;
    throw new DataError(
      `${subject}: ${count} targets (${values}) do not lie between ${from} and ${to}, as targets of ${this.loss} must; ` +
        'scale them, or use meanSquaredError',
    );
  }
}
