// For what optimisers remember, and the gradients they square. A processor takes many times as long for numbers below the smallest
// normal one (1.2e-38), which WGSL allows to be 0 anywhere; and what has faded that far (of a unit that died, say) makes such
// products at each step, for good. So what can only lead there is 0 already. An epsilon, 1e-7 by default, hides all of it.
// |x| < limit, by their bits: the bits of NaN are above all others.
fn is_below(x: vec4f, limit: f32) -> vec4<bool> {
  return (bitcast<vec4i>(x) & vec4i(0x7fffffff)) < vec4i(bitcast<i32>(limit));
}

fn flush_tiny(x: vec4f) -> vec4f {
  return select(x, vec4f(0.0), is_below(x, 1.2e-35)); // a thousandth of it is normal still; NaN stays
}

// g^2, without those that would be below what `flush_tiny` lets pass.
fn square_flushed(g: vec4f) -> vec4f {
  let flushed = select(g, vec4f(0.0), is_below(g, 3.5e-18));
  return flushed * flushed;
}
