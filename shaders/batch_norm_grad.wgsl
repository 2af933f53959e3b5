// Gradient of batch normalisation for its input, with n = rows, z = (x - mean) / sqrt(variance + epsilon):
//   through the statistics   dx = scale / sqrt(variance + epsilon) * (dy - doffset / n - z * dscale / n)
//   with fixed statistics    dx = scale / sqrt(variance + epsilon) * dy
// One Value an invocation: a number, or a vector of neighbouring channels (size and channels then count vectors). Memory-bound.
//   models R, x, dy and dx [R, rows, C], scale, mean, variance, doffset and dscale [R, C]
struct Params { size: u32, channels: u32, epsilon: f32, inverse_rows: f32, through: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> dy: array<Value>;
@group(0) @binding(3) var<storage, read> scale: array<Value>;
@group(0) @binding(4) var<storage, read> mean: array<Value>;
@group(0) @binding(5) var<storage, read> variance: array<Value>;
@group(0) @binding(6) var<storage, read> doffset: array<Value>;
@group(0) @binding(7) var<storage, read> dscale: array<Value>;
@group(0) @binding(8) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let model = group.z;
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < p.size; i += stride) {
    let c = model * p.channels + i % p.channels;
    let at = model * p.size + i;
    let deviation = sqrt(variance[c] + p.epsilon);
    var g = dy[at];
    if (p.through != 0u) {
      let z = (x[at] - mean[c]) / deviation;
      g = g - doffset[c] * p.inverse_rows - z * (dscale[c] * p.inverse_rows);
    }
    dx[at] = scale[c] / deviation * g;
  }
}
