import type { Tensor } from '../../autograd/tensor.ts';
import { DataError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { countOutside, OUTSIDE_WORDS, readOutside } from '../../kernels/metrics/metrics.ts';
import type { Loss } from '../../nn/losses.ts';

/**
 * Notes on the adapter whether targets lie in the range of the loss, for sources whose targets the host does not know. Nothing is read
 * back for it: whoever reads the totals learns of it.
 */
export class TargetCheck {
  /** Null where the loss takes any target. @param first word of the counts that is its own */
  static of(loss: Loss, first: number): TargetCheck | null {
    return loss.targetRange ? new TargetCheck(loss.name, loss.targetRange, first) : null;
  }

  /** Words of the counts, with those before its own. */
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

  /** @throws DataError for targets out of range, naming the smallest and the largest */
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
