import { expect } from 'vitest';

export interface Tolerance {
  /** Allowed error relative to the element's scale. Default 1e-5. */
  rtol?: number;
  /** Allowed absolute error; the default allows the adapter to flush denormals to zero. */
  atol?: number;
  /**
   * For each element the sum of the absolute values of the terms that were added up to it. Rounding errors of a sum grow
   * with this and not with the result, which cancellation can make arbitrarily small.
   */
  magnitude?: ArrayLike<number>;
}

/** Without `magnitude`, elements smaller than this share of the largest are compared on its scale. */
const SCALE_FLOOR = 1e-3;

/**
 * Expects f32 results to agree with a float64 reference. NaN matches only NaN, an infinity only itself. A failure names
 * the worst element. @returns the largest relative error
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol = 1e-5, atol = 1e-37, magnitude }: Tolerance = {},
  what = 'result',
): number {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]!));
  }
  let wrong = 0;
  let worst = 0;
  let worstAt = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Object.is(a, e) || Math.abs(a - e) <= atol) continue;
    const scale = Math.max(Math.abs(e), magnitude ? magnitude[i]! : SCALE_FLOOR * largest);
    const bothFinite = Number.isFinite(a) && Number.isFinite(e);
    const error = bothFinite ? Math.abs(a - e) / scale : Number.POSITIVE_INFINITY;
    if (!(error <= rtol)) wrong++;
    if (!(error <= worst)) {
      worst = error;
      worstAt = i;
    }
  }
  if (wrong > 0) {
    expect.fail(
      `${what}: ${wrong} of ${expected.length} elements are off by more than ${rtol} (relative); ` +
        `the worst is element ${worstAt}: got ${actual[worstAt]}, expected ${expected[worstAt]}, relative error ${worst}`,
    );
  }
  return worst;
}

/** Expects the same bits, element by element (all NaNs count as equal). Distinguishes -0 from 0. */
export function expectSameBits(actual: ArrayLike<number>, expected: ArrayLike<number>, what = 'result'): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i])) {
      expect.fail(`${what}: element ${i} is ${actual[i]}, expected exactly ${expected[i]}`);
    }
  }
}
