// Gradient of batch normalisation for its input, with n = rows, z = (x - mean) / sqrt(variance + epsilon):
//   through the statistics   dx = scale / sqrt(variance + epsilon) * (dy - doffset / n - z * dscale / n)
//   with fixed statistics    dx = scale / sqrt(variance + epsilon) * dy
// With `rectified` x came out of a ReLU, whose gradient is taken along. A Value is a number, or a vector of neighbouring channels (size
// and channels then count vectors); an invocation takes one or several of its channel. The mean has one or two parts that add up to it.
// Memory-bound.
//   models R, x, dy and dx [R, rows, C], mean [R, parts, C], scale, variance, doffset and dscale [R, C]
struct Params { size: u32, channels: u32, epsilon: f32, inverse_rows: f32, through: u32, rectified: u32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> dy: array<Value>;
@group(0) @binding(3) var<storage, read> scale: array<Value>;
@group(0) @binding(4) var<storage, read> mean: array<Value>;
@group(0) @binding(5) var<storage, read> variance: array<Value>;
@group(0) @binding(6) var<storage, read> doffset: array<Value>;
@group(0) @binding(7) var<storage, read> dscale: array<Value>;
@group(0) @binding(8) var<storage, read_write> dx: array<Value>;

// Below a ReLU no gradient goes where the ReLU put out 0 (NaN is not 0).
fn sent(gradient: Value, at: u32) -> Value {
  if (params.rectified == 0u) { return gradient; }
  return select(gradient, Value(), x[at] <= Value());
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let model = group.z;
  // In steps of whole rows, so that an invocation stays on its channel.
  let invocation = (group.y * groups.x + group.x) * 64u + local;
  let stride = groups.y * groups.x * 64u / p.channels * p.channels;
  let channel = invocation % p.channels;
  let c = model * p.channels + channel;
  let deviation = sqrt(variance[c] + p.epsilon);
  let factor = scale[c] / deviation;
  let first = select(p.size, invocation, invocation < stride);
  if (p.through == 0u) {
    for (var i = first; i < p.size; i += stride) {
      let at = model * p.size + i;
      dx[at] = sent(factor * dy[at], at);
    }
    return;
  }
  let at_mean = model * p.parts * p.channels + channel;
  let middle = mean[at_mean];
  let slope = dscale[c] * p.inverse_rows / deviation;
  var mean_dy = doffset[c] * p.inverse_rows;
  if (p.parts > 1u) { mean_dy -= slope * mean[at_mean + p.channels]; }
  for (var i = first; i < p.size; i += stride) {
    let at = model * p.size + i;
    dx[at] = sent(factor * (dy[at] - mean_dy - (x[at] - middle) * slope), at);
  }
}
