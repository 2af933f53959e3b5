// The gradient of a quad of weights with that of the penalties l1 sum|w| + l2 sum w^2 added, for kernels over flat buffers:
//   g + l1 sign(w) + 2 l2 w      with sign(0) = 0
// The coefficients (l1, l2) come from a table with an entry for each block of 64 elements.
fn penalised(g: vec4f, w: vec4f, c: vec2f) -> vec4f {
  if (c.x == 0.0 && c.y == 0.0) { return g; } // so that a weight that is no number counts only where it is penalised
  let sign = select(select(w, vec4f(-1.0), w < vec4f(0.0)), vec4f(1.0), w > vec4f(0.0)); // of 0 it is 0, of NaN it is NaN
  return g + c.x * sign + 2.0 * c.y * w;
}
