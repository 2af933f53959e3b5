// Batch normalization: y[row, c] = scale[c] / sqrt(variance[c] + epsilon) * (x[row, c] - mean[c]) + offset[c], then an
// optional activation (see src/kernels/norm/batch-norm.ts).
// A Value is a number, or a vector of neighboring channels (size and channels then count vectors); an invocation computes one or
// several Values of its channel. mean and variance are those of the batch or the running ones. The mean is the sum of one or two parts;
// the second is added to the offset, because added to the first it would be rounded away. Memory-bound.
//   R replicas: x and y [R, rows, C], mean [R, parts, C], scale, offset and variance [R, C]
struct Params { size: u32, channels: u32, epsilon: f32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> scale: array<Value>;
@group(0) @binding(3) var<storage, read> offset: array<Value>;
@group(0) @binding(4) var<storage, read> mean: array<Value>;
@group(0) @binding(5) var<storage, read> variance: array<Value>;
@group(0) @binding(6) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let replica = group.z;
  // In steps of whole rows, so that an invocation stays on its channel.
  let invocation = (group.y * groups.x + group.x) * 64u + local;
  let stride = groups.y * groups.x * 64u / p.channels * p.channels;
  let channel = invocation % p.channels;
  let c = replica * p.channels + channel;
  let at_mean = replica * p.parts * p.channels + channel;
  let middle = mean[at_mean];
  let factor = scale[c] / sqrt(variance[c] + p.epsilon);
  var shift = offset[c];
  if (p.parts > 1u) { shift -= factor * mean[at_mean + p.channels]; }
  for (var i = select(p.size, invocation, invocation < stride); i < p.size; i += stride) {
    let at = replica * p.size + i;
    y[at] = activate((x[at] - middle) * factor + shift);
  }
}
