// One Adam step over all parameters of one flat buffer; gradients and both moments have the same layout:
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= step_size * m / (sqrt(v) + eps)
// step_size = rate * sqrt(1 - b2^t) / (1 - b1^t), computed by the host in float64. Kingma and Ba 2015 (end of section 2),
// which is Keras's form: eps is added to the uncorrected root. With decay > 0 it is AdamW (Loshchilov and Hutter 2019): the
// weight also decays by rate * decay * w, which does not enter the moments.
// Four elements an invocation. Rates and penalties: see rates_shared.wgsl. Memory-bound.
// The complements 1 - b1 and 1 - b2 come from the host: 1 - 0.999 in f32 is off by 5e-5.
struct Params { size: u32, penalties: u32, first: u32, blocks: u32, one_minus_beta1: f32, one_minus_beta2: f32, epsilon: f32, decay: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  if (keeps_weights()) { return; }
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let old = weight[i];
    let g = with_penalties(gradient[i], old, i);
    let m_old = m[i];
    let v_old = v[i];
    let m_new = m_old + (g - m_old) * params.one_minus_beta1;
    let v_new = v_old + (square_flushed(g) - v_old) * params.one_minus_beta2;
    m[i] = flush_tiny(m_new);
    v[i] = flush_tiny(v_new);
    var w = old;
    if (params.decay != 0.0) { w -= w * params.decay * rate_of(i); }
    weight[i] = w - step_size_of(i) * m_new / (sqrt(v_new) + params.epsilon);
  }
}
