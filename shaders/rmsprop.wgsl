// One RMSprop step over all parameters in one flat buffer, in Keras's form (epsilon inside the root):
//   v = rho v + (1 - rho) g^2;   w -= rate * g / sqrt(v + eps)
// The complement 1 - rho comes from the host, where it is exact to f32. Memory-bound.
struct Params { size: u32, rest: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> square: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= params.size) { return; }
  let g = gradient[i];
  let v = square[i] + (g * g - square[i]) * params.rest;
  square[i] = v;
  weight[i] -= state.step_size * g / sqrt(v + params.epsilon);
}
