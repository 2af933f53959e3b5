// Functions that src/kernels/pointwise/pointwise-table.ts uses and WGSL lacks.

// Whether a comparison of a and b can be true: with NaN, only "not equal" is.
fn are_numbers(a: f32, b: f32) -> bool {
  return !is_nan(a) && !is_nan(b);
}

// Near 1, WGSL allows log an absolute error of 5e-7, which may exceed the value itself.
fn exact_log(x: f32) -> f32 {
  return select(log(x), log1p(x - 1.0), x > 0.5 && x < 2.0);
}

// Drivers compute tanh from e^2x, which overflows (beyond 10, tanh is 1 in f32 anyway) and is inaccurate for small x; the series is accurate there.
fn exact_tanh(x: f32) -> f32 {
  let s = x * x;
  let small = x * (1.0 + s * (-0.3333333333 + s * (0.1333333333 - s * 0.05396825397)));
  return select(select(tanh(clamp(x, -10.0, 10.0)), small, s < 0.01), x, is_nan(x));
}

// The derivative of 1 / (1 + e^-x). As y (1 - y) it would be 0 from 17 on, where y rounds to 1.
fn sigmoid_derivative(x: f32) -> f32 {
  let e = exp(-abs(x));
  return e / ((1.0 + e) * (1.0 + e));
}

// The derivative of tanh, 1 / cosh(x)^2. As 1 - y^2 it would be 0 from 9 on, where y rounds to 1.
fn tanh_derivative(x: f32) -> f32 {
  let e = exp(-abs(x));
  let inverse_cosh = 2.0 * e / (1.0 + e * e);
  return inverse_cosh * inverse_cosh;
}

// The probability beyond s >= 0 of a normal distribution, divided by e^(-s^2/2): a polynomial in t = 1 / (1 + 0.35 s), fitted to
// s = 0 .. 14.5 by relative error, which is at most 2e-7 (exactly 1/2 at 0). Beyond, e^(-s^2/2) is 0 in f32.
fn normal_tail(s: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.35 * s);
  return t * (0.13962133184 + t * (0.13986351541 + t * (0.11982128792 + t * (0.10555250148 + t * (-0.02321235207 +
    t * (0.15931969385 + t * (-0.25583902893 + t * (0.14403091924 - t * 0.02915788572))))))));
}

// x times the normal distribution function at x. Below 0 it is computed from the tail, because 1 minus the rest would cancel.
// Multiplies by e^(-x^2/4) twice, because e^(-x^2/2) becomes subnormal before x times the tail does.
fn exact_gelu(x: f32) -> f32 {
  let e = exp(-0.25 * x * x);
  let tail = normal_tail(abs(x));
  return select(x * (1.0 - tail * e * e), x * tail * e * e, x < 0.0);
}

fn gelu_derivative(x: f32) -> f32 {
  let s = abs(x);
  let e = exp(-0.25 * s * s);
  let tail = (normal_tail(s) - 0.3989422804 * s) * e * e;
  return select(1.0 - tail, tail, x < 0.0);
}

// x (1 + tanh(u / 2)) / 2 = x / (1 + e^-u), u = sqrt(8 / pi) (x + 0.044715 x^3), in powers of h = e^(-|u|/2): nothing cancels.
fn gelu_tanh_root(x: f32) -> f32 {
  return exp(-0.7978845608 * abs(x + 0.044715 * x * x * x));
}

fn gelu_tanh(x: f32) -> f32 {
  let h = gelu_tanh_root(x);
  return select(x, x * h * h, x < 0.0) / (1.0 + h * h);
}

fn gelu_tanh_derivative(x: f32) -> f32 {
  let h = gelu_tanh_root(x);
  let inverse = 1.0 / (1.0 + h * h);
  let near = clamp(x, -20.0, 20.0); // beyond, h is 0, and the slope of u would overflow
  let slope = 1.5957691216 * (1.0 + 0.134145 * near * near);
  return inverse * (select(1.0, h * h, x < 0.0) + x * h * h * slope * inverse);
}

// x^n for n <= 8, by multiplication: relative error at most (n - 1) 2^-24.
fn small_power(x: f32, n: u32) -> f32 {
  let square = x * x;
  let fourth = square * square;
  var y = select(1.0, x, (n & 1u) != 0u);
  if ((n & 2u) != 0u) { y *= square; }
  if ((n & 4u) != 0u) { y *= fourth; }
  if ((n & 8u) != 0u) { y *= fourth * fourth; }
  return y;
}

// x^p, like C's pow: for x < 0 it is defined for whole exponents, and odd ones keep the sign; else it is NaN, except for -0 and minus infinity. Whole
// exponents from -8 to 8 use multiplication. WGSL's pow is exp2(p log2 x), only for x >= 0, with an error that grows with p log2 x; so 1 and -1 do not use it.
fn power(x: f32, p: f32) -> f32 {
  if (is_zero(p)) { return 1.0; }
  if (is_nan(p)) { return select(p, 1.0, bitcast<u32>(x) == 0x3f800000u); } // C's pow(1, NaN) is 1
  if (is_nan(x)) { return x; }
  let whole = floor(p) == p;
  if (whole && abs(p) <= 8.0) {
    let n = u32(abs(p));
    if (p > 0.0) { return small_power(x, n); }
    // In two steps, because x^n may overflow or underflow to 0 although its inverse does not.
    return 1.0 / small_power(x, n / 2u) / small_power(x, n - n / 2u);
  }
  var size = select(pow(abs(x), p), 1.0, abs(x) == 1.0);
  if (x == 0.0 && p < 0.0) { size = 1.0 / abs(x); } // infinity, where some drivers' pow has 0
  let bits = bitcast<u32>(x);
  if ((bits >> 31u) == 0u) { return size; }
  if (!whole && bits == 0xff800000u) { return size; } // minus infinity
  if (!whole) { return select(bitcast<f32>(bits | 0x7fc00000u), size, x == 0.0); } // NaN below 0, not a constant, because WGSL rejects a constant NaN
  return select(size, -size, floor(p * 0.5) * 2.0 != p);
}
