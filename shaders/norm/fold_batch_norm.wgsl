// Folds a batch normalization with fixed statistics into the convolution before it:
//   folded[.., c] = filter[.., c] * factor[c]      folded_bias[c] = offset[c] + (bias[c] - mean[c]) * factor[c]
// with factor = scale / sqrt(variance + epsilon). A Value is a number, or a vector of neighboring channels (size and channels then
// count vectors). Memory-bound.
//   R replicas: filter and folded [R, size], bias (if any), scale, offset, mean, variance and folded_bias [R, C]
struct Params { size: u32, channels: u32, epsilon: f32, has_bias: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<Value>;
@group(0) @binding(2) var<storage, read> bias: array<Value>;
@group(0) @binding(3) var<storage, read> scale: array<Value>;
@group(0) @binding(4) var<storage, read> offset: array<Value>;
@group(0) @binding(5) var<storage, read> mean: array<Value>;
@group(0) @binding(6) var<storage, read> variance: array<Value>;
@group(0) @binding(7) var<storage, read_write> folded: array<Value>;
@group(0) @binding(8) var<storage, read_write> folded_bias: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < p.size; i += stride) {
    let c = group.z * p.channels + i % p.channels;
    let factor = scale[c] / sqrt(variance[c] + p.epsilon);
    let at = group.z * p.size + i;
    folded[at] = weights[at] * factor;
    if (i < p.channels) {
      var before = Value();
      if (p.has_bias != 0u) { before = bias[c]; }
      folded_bias[c] = offset[c] + (before - mean[c]) * factor;
    }
  }
}
