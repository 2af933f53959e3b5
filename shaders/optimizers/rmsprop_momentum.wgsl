// RMSprop with momentum, centered or both, over all parameters in one flat buffer, in Keras's form:
//   v = rho v + (1 - rho) g^2;   a = rho a + (1 - rho) g (centered, else 0)
//   m = momentum m + rate * g / sqrt(v - a^2 + eps);   w -= m
// v - a^2 is a variance: if it cancels to a negative number in f32, 0 is used.
// Four elements an invocation. Rates and penalties: see rates_shared.wgsl. Memory-bound.
struct Params { size: u32, penalties: u32, first: u32, blocks: u32, one_minus_rho: f32, epsilon: f32, momentum: f32, centered: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> square: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> velocity: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  if (keeps_weights()) { return; }
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let old = weight[i];
    let g = with_penalties(gradient[i], old, i);
    let before = square[i];
    var variance = before + (square_flushed(g) - before) * params.one_minus_rho;
    square[i] = flush_tiny(variance);
    if (params.centered == 1u) {
      let mean = average[i];
      let a = mean + (g - mean) * params.one_minus_rho;
      average[i] = flush_tiny(a);
      let centered = variance - a * a;
      variance = select(centered, vec4f(0.0), is_negative(centered)); // NaN stays NaN, which max does not guarantee
    }
    let m = params.momentum * velocity[i] + step_size_of(i) * g / sqrt(variance + params.epsilon);
    velocity[i] = flush_tiny(m);
    weight[i] = old - m;
  }
}
