// The two sums of batch normalization's gradient, over the rows of slice s, as in batch_norm_grad_sums.wgsl:
//   part_dy[s, c] = sum of dy[row, c]      part_dot[s, c] = sum of dy[row, c] * (x[row, c] - mean[c]) / sqrt(variance[c] + epsilon)
// including the activation. A cooperative group (see cooperative_workgroup.wgsl) computes `width` neighboring channels (a power of two),
// GROUP_SIZE / width invocations each: for few channels and many rows on a GPU. Sums are added up in a fixed tree. The mean is the sum of
// one or two parts. Memory-bound.
//   R replicas: x and dy [R, rows, C], mean [R, parts, C] and variance [R, C], part_dy and part_dot [R, slices, C]
struct Params { rows: u32, channels: u32, slice_length: u32, slices: u32, epsilon: f32, parts: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read_write> part_dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> part_dot: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let index = group_index(group.y * groups.x + group.x, local);
  let rank = local % GROUP_SIZE;
  let blocks = (p.channels + p.width - 1u) / p.width;
  let s = index / blocks;
  let c = (index - s * blocks) * p.width + rank % p.width;
  // Invocations without a channel take part in the exchanges, but add up and store nothing.
  let live = s < p.slices && c < p.channels;
  let last = select(0u, min((s + 1u) * p.slice_length, p.rows), live);
  let channel = group.z * p.channels + select(0u, c, live);
  let base = group.z * p.rows * p.channels + select(0u, c, live);
  let at_mean = group.z * p.parts * p.channels + select(0u, c, live);
  let center = mean[at_mean];
  var rest = 0.0;
  if (p.parts > 1u) { rest = mean[at_mean + p.channels]; }
  let deviation = sqrt(variance[channel] + p.epsilon);
  let affine = affine_of(channel, deviation, rest);
  var gradients = Sum();
  var products = Sum();
  for (var row = s * p.slice_length + rank / p.width; row < last; row += GROUP_SIZE / p.width) {
    let at = base + row * p.channels;
    let distance = x[at] - center;
    let g = activation_gradient(distance * affine.factor + affine.shift, dy[at]);
    add_term(&gradients, g);
    add_term(&products, g * distance);
  }
  var sum = total_of(gradients);
  var dot = total_of(products);
  for (var distance = GROUP_SIZE / 2u; distance >= p.width; distance /= 2u) {
    sum += exchange_xor(local, sum, distance);
    dot += exchange_xor(local, dot, distance);
  }
  if (!live || rank >= p.width) { return; }
  if (p.parts > 1u) { dot -= sum * rest; }
  let out = (group.z * p.slices + s) * p.channels + c;
  part_dy[out] = sum;
  part_dot[out] = dot / deviation;
}
