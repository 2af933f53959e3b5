// What optimisers update by where all replicas of a buffer share rate and penalties: `state` as it is, and the coefficients of the
// flat buffer's blocks of 64 elements, this range beginning with block `first`. rates_per_replica.wgsl has the same functions for replicas that differ.
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;

// The step size of vec4 i, and its plain rate.
fn step_size_of(i: u32) -> f32 { return state.step_size; }
fn rate_of(i: u32) -> f32 { return state.rate; }

// The gradient g of the weights w, vec4 i of this range, with that of the penalties added.
fn with_penalties(g: vec4f, w: vec4f, i: u32) -> vec4f {
  if (params.penalties == 0u) { return g; }
  let c = coefficients[params.first + i / 16u];
  return add_penalties(g, w, vec4f(c.x), vec4f(c.y));
}
