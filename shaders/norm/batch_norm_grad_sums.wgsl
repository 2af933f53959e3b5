// The two sums of batch normalization's gradient, over the rows of slice s:
//   part_dy[s, c] = sum of dy[row, c]      part_dot[s, c] = sum of dy[row, c] * (x[row, c] - mean[c]) / sqrt(variance[c] + epsilon)
// If an activation follows (see src/kernels/norm/batch-norm.ts), dy is the gradient of its output, and the normalized value is computed
// again. Summed over the slices (by reduce_rows.wgsl), they are the gradients of offset and scale. The slices
// depend on the shape of one replica alone: the same bits every time. One Value an invocation: a number, or a vector of
// neighboring channels; sums are added up in blocks of at most 256 rows, because the relative error is up to 3e-8 a term. The mean is the
// sum of one or two parts. Memory-bound.
//   R replicas: x and dy [R, rows, C], mean [R, parts, C] and variance [R, C], part_dy and part_dot [R, slices, C]
const BLOCK = 256u;

struct Params { rows: u32, channels: u32, slice_length: u32, slices: u32, epsilon: f32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> dy: array<Value>;
@group(0) @binding(3) var<storage, read> mean: array<Value>;
@group(0) @binding(4) var<storage, read> variance: array<Value>;
@group(0) @binding(5) var<storage, read_write> part_dy: array<Value>;
@group(0) @binding(6) var<storage, read_write> part_dot: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  if (i >= p.slices * p.channels) { return; }
  let s = i / p.channels;
  let c = i - s * p.channels;
  let at_mean = replica * p.parts * p.channels + c;
  let center = mean[at_mean];
  var rest = Value();
  if (p.parts > 1u) { rest = mean[at_mean + p.channels]; }
  let deviation = sqrt(variance[replica * p.channels + c] + p.epsilon);
  let affine = affine_of(replica * p.channels + c, deviation, rest);
  let last = min((s + 1u) * p.slice_length, p.rows);
  let base = replica * p.rows * p.channels + c;
  var sum = Value();
  var dot = Value();
  for (var start = s * p.slice_length; start < last; start += BLOCK) {
    let end = min(start + BLOCK, last);
    var part_sum = Value();
    var part = Value();
    for (var row = start; row < end; row++) {
      let at = base + row * p.channels;
      let distance = x[at] - center;
      let g = activation_gradient(distance * affine.factor + affine.shift, dy[at]);
      part_sum += g;
      part += g * distance;
    }
    sum += part_sum;
    dot += part;
  }
  if (p.parts > 1u) { dot -= sum * rest; }
  let out = replica * p.slices * p.channels + i;
  part_dy[out] = sum;
  part_dot[out] = dot / deviation;
}
