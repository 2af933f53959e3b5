// Gradient of batch normalization for its input, with n = rows, z = (x - mean) / sqrt(variance + epsilon):
//   with batch statistics    dx = scale / sqrt(variance + epsilon) * (dy - doffset / n - z * dscale / n)
//   with fixed statistics    dx = scale / sqrt(variance + epsilon) * dy
// with the coefficients of batch_norm_coefficients.wgsl. If an activation follows (see src/kernels/norm/batch-norm.ts), dy is the gradient
// of its output, and the normalized value is computed again. With `input_is_relu`, x is the output of a ReLU, and dx is the gradient before
// it. A Value is a number, or a vector of neighboring channels (size and channels then count vectors); an invocation computes one or
// several Values of its channel. Memory-bound.
//   R replicas: x, dy and dx [R, rows, C], coefficients [R, 5, C]
struct Params { size: u32, channels: u32, batch_statistics: u32, input_is_relu: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> dy: array<Value>;
@group(0) @binding(3) var<storage, read> coefficients: array<Value>;
@group(0) @binding(4) var<storage, read_write> dx: array<Value>;

// If x is from a ReLU, the gradient before it: 0 where its output is 0 (NaN is not 0).
fn below_relu(gradient: Value, at: u32) -> Value {
  if (params.input_is_relu == 0u) { return gradient; }
  return select(gradient, Value(), is_at_most_zero(x[at]));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let replica = group.z;
  // In steps of whole rows, so that an invocation stays on its channel.
  let invocation = (group.y * groups.x + group.x) * 64u + local;
  let stride = groups.y * groups.x * 64u / p.channels * p.channels;
  let c = 5u * replica * p.channels + invocation % p.channels;
  let middle = coefficients[c];
  let factor = coefficients[c + p.channels];
  let shift = coefficients[c + 2u * p.channels];
  let first = select(p.size, invocation, invocation < stride);
  if (p.batch_statistics == 0u) {
    for (var i = first; i < p.size; i += stride) {
      let at = replica * p.size + i;
      var gradient = dy[at];
      if (ACTIVATED) { gradient = activation_gradient((x[at] - middle) * factor + shift, gradient); }
      dx[at] = below_relu(factor * gradient, at);
    }
    return;
  }
  let slope = coefficients[c + 3u * p.channels];
  let mean_dy = coefficients[c + 4u * p.channels];
  for (var i = first; i < p.size; i += stride) {
    let at = replica * p.size + i;
    let distance = x[at] - middle;
    dx[at] = below_relu(factor * (activation_gradient(distance * factor + shift, dy[at]) - mean_dy - distance * slope), at);
  }
}
