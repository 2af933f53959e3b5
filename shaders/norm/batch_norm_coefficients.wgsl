// The coefficients of each channel for the gradient of batch normalization, in five rows:
//   middle = mean, factor = scale / sqrt(variance + epsilon), shift: y = (x - middle) * factor + shift, and with batch statistics
//   slope = dscale / n / sqrt(variance + epsilon), mean_dy = doffset / n: dx = factor * (dy - mean_dy - (x - middle) * slope)
// A Value is a number, or a vector of neighboring channels. The mean is the sum of one or two parts; the second is included in
// shift and mean_dy, because added to the first it would be rounded away.
//   R replicas: scale, offset, variance, doffset and dscale [R, C], mean [R, parts, C], coefficients [R, 5, C]
struct Params { channels: u32, epsilon: f32, inverse_rows: f32, batch_statistics: u32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scale: array<Value>;
@group(0) @binding(2) var<storage, read> offset: array<Value>;
@group(0) @binding(3) var<storage, read> mean: array<Value>;
@group(0) @binding(4) var<storage, read> variance: array<Value>;
@group(0) @binding(5) var<storage, read> doffset: array<Value>;
@group(0) @binding(6) var<storage, read> dscale: array<Value>;
@group(0) @binding(7) var<storage, read_write> coefficients: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let channel = (group.y * groups.x + group.x) * 64u + local;
  if (channel >= p.channels) { return; }
  let c = group.z * p.channels + channel;
  let at_mean = group.z * p.parts * p.channels + channel;
  var rest = Value();
  if (p.parts > 1u) { rest = mean[at_mean + p.channels]; }
  let deviation = sqrt(variance[c] + p.epsilon);
  let factor = scale[c] / deviation;
  var slope = Value();
  var mean_dy = Value();
  if (p.batch_statistics != 0u) {
    slope = dscale[c] * p.inverse_rows / deviation;
    mean_dy = doffset[c] * p.inverse_rows - slope * rest;
  }
  let at = 5u * group.z * p.channels + channel;
  coefficients[at] = mean[at_mean];
  coefficients[at + p.channels] = factor;
  coefficients[at + 2u * p.channels] = offset[c] - factor * rest;
  coefficients[at + 3u * p.channels] = slope;
  coefficients[at + 4u * p.channels] = mean_dy;
}
