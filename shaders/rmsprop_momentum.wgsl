// RMSprop with momentum, centered or both, over all parameters in one flat buffer, in Keras's form:
//   v = rho v + (1 - rho) g^2;   a = rho a + (1 - rho) g (centered, else 0)
//   m = momentum m + rate * g / sqrt(v - a^2 + eps);   w -= m
// v - a^2 is a variance: where f32 cancels it to less than nothing, nothing it is. Memory-bound.
struct Params { size: u32, rest: f32, epsilon: f32, momentum: f32, centered: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> square: array<f32>;
@group(0) @binding(5) var<storage, read_write> average: array<f32>;
@group(0) @binding(6) var<storage, read_write> velocity: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= params.size) { return; }
  let g = gradient[i];
  var variance = square[i] + (g * g - square[i]) * params.rest;
  square[i] = variance;
  if (params.centered == 1u) {
    let a = average[i] + (g - average[i]) * params.rest;
    average[i] = a;
    variance = max(variance - a * a, 0.0);
  }
  let m = params.momentum * velocity[i] + state.step_size * g / sqrt(variance + params.epsilon);
  velocity[i] = m;
  weight[i] -= m;
}
