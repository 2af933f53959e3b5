// Functions that rows of src/kernels/pointwise-table.ts use and WGSL does not have.

// By its bits: some drivers compile x != x to a comparison that is false for NaN.
fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// What counts as true, as in NumPy and PyTorch: all but 0 and -0, so NaN does.
fn is_true(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) != 0u;
}

// log(1 + e) for 0 <= e <= 1; for small e two terms of its series, since 1 + e rounds e away.
fn log1p(e: f32) -> f32 {
  return select(log(1.0 + e), e * (1.0 - 0.5 * e), e < 1e-3);
}

// Drivers compute tanh from e^2x, which overflows (beyond 10 it is 1 in f32 anyway) and loses small x, where the series does.
fn exact_tanh(x: f32) -> f32 {
  let s = x * x;
  let small = x * (1.0 + s * (-0.3333333333 + s * (0.1333333333 - s * 0.05396825397)));
  return select(select(tanh(clamp(x, -10.0, 10.0)), small, s < 0.01), x, is_nan(x));
}

// The normal distribution function, by erf's approximation 7.1.26 of Abramowitz and Stegun, off by at most 1.5e-7.
fn normal_cdf(x: f32) -> f32 {
  let size = abs(x) * 0.7071067812;
  let t = 1.0 / (1.0 + 0.3275911 * size);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-size * size); // the probability beyond |x|
  return select(1.0 - tail, tail, x < 0.0);
}

fn gelu_tanh_derivative(x: f32) -> f32 {
  let t = tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608 * (1.0 + 0.134145 * x * x);
}

// x^p, as C's pow: below 0 (and at -0) there is a result for whole exponents, odd ones keep the sign; else NaN. WGSL's pow is for
// x >= 0 only. 1 and -1 are kept from it, because the rounding of p log2|x| grows with p.
fn power(x: f32, p: f32) -> f32 {
  if (p == 0.0) { return 1.0; }
  var size = select(pow(abs(x), p), 1.0, abs(x) == 1.0);
  if (x == 0.0 && p < 0.0) { size = 1.0 / abs(x); } // infinity, where some drivers' pow has 0
  if (x >= 0.0 && (bitcast<u32>(x) >> 31u) == 0u) { return size; }
  if (floor(p) != p) { return select(sqrt(x), size, x == 0.0); } // NaN below 0, also for an x that is NaN
  return select(size, -size, floor(p * 0.5) * 2.0 != p);
}
