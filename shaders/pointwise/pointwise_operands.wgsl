// The operands of pointwise_binary.wgsl and its gradient, four elements at a time. An operand that is broadcast along the leading
// axes (a number, a bias) is read in place: it repeats after `a_period` or `b_period` elements; 0 if it is as large as the result. For
// other kinds of broadcasting the host makes a copy. The host defines the type `Operand`, and `Operands`, a vec4 of it.
struct Params { size: u32, a_period: u32, b_period: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a4: array<Operands>;
@group(0) @binding(2) var<storage, read> b4: array<Operands>;

// Indices of the elements of vec4 i in an operand that repeats.
fn places(i: u32, period: u32) -> vec4u {
  return (vec4u(0u, 1u, 2u, 3u) + 4u * i) % vec4u(period);
}

fn left(i: u32) -> Operands {
  let period = params.a_period;
  if (period == 0u) { return a4[i]; }
  if (period == 1u) { return Operands(a4[0].x); }
  if (period % 4u == 0u) { return a4[i % (period / 4u)]; }
  let at = places(i, period);
  return Operands(a4[at.x / 4u][at.x % 4u], a4[at.y / 4u][at.y % 4u], a4[at.z / 4u][at.z % 4u], a4[at.w / 4u][at.w % 4u]);
}

fn right(i: u32) -> Operands {
  let period = params.b_period;
  if (period == 0u) { return b4[i]; }
  if (period == 1u) { return Operands(b4[0].x); }
  if (period % 4u == 0u) { return b4[i % (period / 4u)]; }
  let at = places(i, period);
  return Operands(b4[at.x / 4u][at.x % 4u], b4[at.y / 4u][at.y % 4u], b4[at.z / 4u][at.z % 4u], b4[at.w / 4u][at.w % 4u]);
}
