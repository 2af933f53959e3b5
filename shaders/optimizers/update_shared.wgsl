// What optimisers update by where all models of a buffer share rate and penalties: `state` as it is, and the coefficients of the
// flat buffer's blocks of 64 elements, this range beginning with block `first`. update_own.wgsl has the same functions for models that differ.
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;

// The step size of quad i, and its plain rate.
fn step_size_of(i: u32) -> f32 { return state.step_size; }
fn rate_of(i: u32) -> f32 { return state.rate; }

// The gradient g of the weights w, quad i of this range, with that of the penalties added.
fn with_penalties(g: vec4f, w: vec4f, i: u32) -> vec4f {
  if (params.penalties == 0u) { return g; }
  let c = coefficients[params.first + i / 16u];
  return penalised(g, w, vec4f(c.x), vec4f(c.y));
}
