// One RMSprop step over all parameters in one flat buffer, in Keras's form (epsilon inside the root):
//   v = rho v + (1 - rho) g^2;   w -= rate * g / sqrt(v + eps)
// Four elements an invocation. Rates and penalties: see rates_shared.wgsl. The complement 1 - rho comes from the host, where it is exact to f32. Memory-bound.
struct Params { size: u32, penalties: u32, first: u32, blocks: u32, one_minus_rho: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> square: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  if (keeps_weights()) { return; }
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let old = weight[i];
    let g = with_penalties(gradient[i], old, i);
    let before = square[i];
    let v = before + (square_flushed(g) - before) * params.one_minus_rho;
    square[i] = flush_tiny(v);
    weight[i] = old - step_size_of(i) * g / sqrt(v + params.epsilon);
  }
}
