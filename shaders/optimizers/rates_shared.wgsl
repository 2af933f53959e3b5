// Rates and penalties for optimizer kernels whose replicas share them: `state`, and the coefficients of the flat buffer's blocks of 64
// elements; this range begins with block `first`. rates_per_replica.wgsl has the same functions for replicas that differ.
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;

// Whether this step only accumulates gradients.
fn keeps_weights() -> bool { return state.keeps_weights != 0u; }

// The step size and the learning rate of vec4 i.
fn step_size_of(i: u32) -> f32 { return state.step_size; }
fn rate_of(i: u32) -> f32 { return state.rate; }

// The gradient g of the weights w, vec4 i of this range, plus the gradient of the penalties.
fn with_penalties(g: vec4f, w: vec4f, i: u32) -> vec4f {
  if (params.penalties == 0u) { return g; }
  let c = coefficients[params.first + i / 16u];
  return add_penalties(g, w, vec4f(c.x), vec4f(c.y));
}
