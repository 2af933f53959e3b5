// The normal distribution in float64, for the references of the pointwise table; the functions of the kernels are in
// shaders/pointwise/pointwise_functions.wgsl.

/** erf by its Taylor series, exact to float64's rounding for |x| up to 2. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** 1 - erf by its continued fraction, for x from 2 on, where the difference would cancel. */
function erfc(x: number): number {
  let fraction = 0;
  for (let k = 100; k >= 1; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
}

/** The normal distribution function. Its relative error is small also below 0, because nothing is subtracted from 1. */
export function cdf(x: number): number {
  const z = x / Math.SQRT2;
  if (Math.abs(z) < 2) return (1 + erf(z)) / 2;
  return z > 0 ? 1 - erfc(z) / 2 : erfc(-z) / 2;
}

/** The standard normal density. */
export const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
