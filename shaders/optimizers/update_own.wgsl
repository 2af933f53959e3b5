// What optimisers update by where models have rates or penalties of their own. Models lie weight by weight in the flat buffers,
// so that a quad may hold elements of several: a table names the model of each.
//   state: a pair of words, then (step_size, rate) of each model; owner [size]: the model of each element of this range;
//   coefficients [models, blocks of the whole buffer] (l1, l2), or [1, blocks] if all models share them, with params.blocks 0
@group(0) @binding(1) var<storage, read> state: array<vec2f>;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(OWNER) var<storage, read> owner: array<vec4u>;

// The step sizes of quad i, and its plain rates.
fn step_size_of(i: u32) -> vec4f {
  let m = owner[i];
  return vec4f(state[1u + m.x].x, state[1u + m.y].x, state[1u + m.z].x, state[1u + m.w].x);
}
fn rate_of(i: u32) -> vec4f {
  let m = owner[i];
  return vec4f(state[1u + m.x].y, state[1u + m.y].y, state[1u + m.z].y, state[1u + m.w].y);
}

// The gradient g of the weights w, quad i of this range, with that of the penalties added.
fn with_penalties(g: vec4f, w: vec4f, i: u32) -> vec4f {
  if (params.penalties == 0u) { return g; }
  let at = owner[i] * params.blocks + params.first + i / 16u;
  let c0 = coefficients[at.x];
  let c1 = coefficients[at.y];
  let c2 = coefficients[at.z];
  let c3 = coefficients[at.w];
  return penalised(g, w, vec4f(c0.x, c1.x, c2.x, c3.x), vec4f(c0.y, c1.y, c2.y, c3.y));
}
