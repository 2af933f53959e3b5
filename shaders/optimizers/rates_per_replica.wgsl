// Rates and penalties for optimizer kernels whose replicas differ in them. The flat buffers hold all replicas of a weight, then all of the
// next weight, so a vec4 may hold elements of several replicas; a table gives the replica of each element.
//   state: four words, then (step_size, rate) of each replica; replica_of_element [size] of this range;
//   coefficients [replicas, blocks of the whole buffer] (l1, l2), or [1, blocks] if all replicas share them, with params.blocks 0
@group(0) @binding(1) var<storage, read> state: array<vec2f>;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(REPLICA_OF_ELEMENT) var<storage, read> replica_of_element: array<vec4u>;

// Whether this step only accumulates gradients.
fn keeps_weights() -> bool { return bitcast<u32>(state[1].x) != 0u; }

// The step sizes and the learning rates of vec4 i.
fn step_size_of(i: u32) -> vec4f {
  let m = replica_of_element[i];
  return vec4f(state[2u + m.x].x, state[2u + m.y].x, state[2u + m.z].x, state[2u + m.w].x);
}
fn rate_of(i: u32) -> vec4f {
  let m = replica_of_element[i];
  return vec4f(state[2u + m.x].y, state[2u + m.y].y, state[2u + m.z].y, state[2u + m.w].y);
}

// The gradient g of the weights w, vec4 i of this range, plus the gradient of the penalties.
fn with_penalties(g: vec4f, w: vec4f, i: u32) -> vec4f {
  if (params.penalties == 0u) { return g; }
  let at = replica_of_element[i] * params.blocks + params.first + i / 16u;
  let c0 = coefficients[at.x];
  let c1 = coefficients[at.y];
  let c2 = coefficients[at.z];
  let c3 = coefficients[at.w];
  return add_penalties(g, w, vec4f(c0.x, c1.x, c2.x, c3.x), vec4f(c0.y, c1.y, c2.y, c3.y));
}
