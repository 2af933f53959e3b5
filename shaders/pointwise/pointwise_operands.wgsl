// The operands of pointwise_binary.wgsl and its gradient, four elements at a time. An operand that NumPy would repeat along the
// leading axes (a number, a bias) is read again and again where it lies: it repeats after `a_period` or `b_period` elements, 0
// for one that is as large as the result. Other ways of broadcasting are copied out by the host. The host says what type `Operand`
// is, and `Operands`, four of them.
struct Params { size: u32, a_period: u32, b_period: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a4: array<Operands>;
@group(0) @binding(2) var<storage, read> b4: array<Operands>;

// Where the elements of vec4 i lie in an operand that repeats.
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
