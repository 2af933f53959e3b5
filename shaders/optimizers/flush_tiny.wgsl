// Flushes tiny slots of optimizers, and tiny gradients before they are squared, to 0. Subnormal numbers (below 1.2e-38) are many times
// slower on a CPU; WGSL allows flushing them. Moments of a dead unit decay into that range and stay there, so every later step
// is slow on a CPU. Numbers whose products would be subnormal are flushed too. The optimizer's epsilon, 1e-7 by default, hides the change.

// |x| < limit, by the bits, so that NaN is not below: its bits are above all others.
fn is_below(x: vec4f, limit: f32) -> vec4<bool> {
  return (bitcast<vec4i>(x) & vec4i(0x7fffffff)) < vec4i(bitcast<i32>(limit));
}

fn flush_tiny(x: vec4f) -> vec4f {
  return select(x, vec4f(0.0), is_below(x, 1.2e-35)); // a thousandth of the limit is still a normal number; NaN stays
}

// g^2, or 0 if it would be below the limit of `flush_tiny`.
fn square_flushed(g: vec4f) -> vec4f {
  let flushed = select(g, vec4f(0.0), is_below(g, 3.5e-18));
  return flushed * flushed;
}
