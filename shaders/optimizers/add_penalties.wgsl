// Adds the gradient of the penalties l1 sum|w| + l2 sum w^2 to the gradient of a vec4 of weights, for kernels over flat buffers:
//   g + l1 sign(w) + 2 l2 w      with sign(0) = 0
fn add_penalties(g: vec4f, w: vec4f, l1: vec4f, l2: vec4f) -> vec4f {
  let none = (l1 == vec4f(0.0)) & (l2 == vec4f(0.0)); // so that a NaN weight counts only if it has a penalty
  let sign = select(select(w, vec4f(-1.0), is_negative(w)), vec4f(1.0), is_positive(w)); // of 0 it is 0, of NaN it is NaN
  return select(g + l1 * sign + 2.0 * l2 * w, g, none);
}
