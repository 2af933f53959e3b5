import { expect } from 'vitest';
import type { Device } from '../../src/node.ts';
import { expectSameBits } from './compare.ts';

// Accuracy of f32 functions in WGSL: https://www.w3.org/TR/WGSL/#concrete-float-accuracy, defined once for all tests. Software
// adapters are far better, and tests require that of them; GPUs may be as inaccurate as the specification allows.

/** The distance from |x| to the next f32. */
export const ulp = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x) || 2 ** -126)), -126) - 23);

const { abs, exp, log, log2, max, sqrt, tanh } = Math;
const offByLog = (x: number, y: number) => (x >= 0.5 && x <= 2 ? 2 ** -21 : 3 * ulp(y));
const offByExp = (x: number, y: number) => (3 + 2 * abs(x)) * ulp(y);

/** The largest absolute error that WGSL allows of each function, at x. */
export const WGSL = {
  /** 2.5 ulp, for divisors that are neither subnormal nor near overflow. */
  division: (quotient: number) => 2.5 * ulp(quotient),
  exp: (x: number) => offByExp(x, exp(x)),
  log: (x: number) => offByLog(x, log(x)),
  /** As 1 / inverseSqrt(x), which may be off by 2 ulp. */
  sqrt: (x: number) => (2 + 2.5) * ulp(sqrt(x)),
  inverseSqrt: (x: number) => 2 * ulp(1 / sqrt(x)),
  /** 1e-5, or as sinh(x) / cosh(x), whichever is worse. */
  tanh: (x: number) => max(1e-5, ((2 * (3 + 2 * abs(x)) + 5) * abs(tanh(x))) / 2 ** 23),
  /** As exp2(p log2(x)): the error of the exponent, and that of exp2. */
  pow: (x: number, p: number) => {
    const y = abs(x) ** p;
    const exponent = p * log2(abs(x));
    return y * (Math.LN2 * (abs(p) * offByLog(abs(x), log2(abs(x))) + ulp(exponent))) + offByExp(exponent, y);
  },
};

/** A bound for a test: `strict` on software adapters; on others at least what WGSL allows. */
export const bounded = ({ info }: Pick<Device, 'info'>, strict: number, allowed: number): number =>
  info.isSoftware ? strict : max(strict, allowed);

/**
 * Relative errors that WGSL allows for operators, for values and gradients at inputs of up to about 5. There, exp may be off by 13 ulp,
 * tanh by 1e-5 from 0.1 on (below, the kernels use a series), and pow by the error of p log2(x) of up to 15.
 */
const OPERATORS: Record<string, number> = {
  ...{ tanh: 1.1e-4, pow: 1e-5 },
  ...Object.fromEntries(
    ['exp', 'elu', 'sigmoid', 'softplus', 'gelu', 'softmax', 'logSoftmax'].map((name) => [name, 4e-6]),
  ),
  softmaxCrossEntropy: 4e-6,
};

/** The tolerance for an operator with a fused activation: `strict` on software adapters. */
export const operatorTolerance = (
  device: Pick<Device, 'info'>,
  strict: number,
  operator: string,
  { activation = '' }: { activation?: string } = {},
): number => bounded(device, strict, max(OPERATORS[operator] ?? 0, OPERATORS[activation] ?? 0));

/**
 * Expects exactly these values on software adapters (0 and -0 being one); on others within `allowed` of each, relative to it, or to 1 if
 * it is smaller: the default is room for a few functions one after another.
 */
export function expectExactly(
  device: Pick<Device, 'info'>,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { what = 'result', allowed = 2e-5 } = {},
): void {
  const [got, right] = [actual, expected].map((values) => Array.from(values, (value) => value + 0)) as [
    number[],
    number[],
  ];
  if (device.info.isSoftware) {
    expectSameBits(got, right, what);
    return;
  }
  expect(got.length, `${what}: number of elements`).toBe(right.length);
  for (const [i, value] of right.entries()) {
    const close =
      Object.is(got[i], value) || (Number.isFinite(value) && abs(got[i]! - value) <= allowed * max(1, abs(value)));
    if (!close) expect.fail(`${what}: element ${i} is ${got[i]}, expected ${value} within ${allowed} (WGSL's bounds)`);
  }
}
