// The two sums of batch normalisation's gradient, over the rows of slice s:
//   part_dy[s, c] = sum of dy[row, c]      part_dot[s, c] = sum of dy[row, c] * (x[row, c] - mean[c]) / sqrt(variance[c] + epsilon)
// Added up (by reduce_rows.wgsl, where there is more than one slice) they are the gradients of offset and scale. The slices
// depend on the shape of one model alone: the same bits every time. One Value an invocation: a number, or a vector of
// neighbouring channels. Memory-bound.
//   models R, x and dy [R, rows, C], mean and variance [R, C], part_dy and part_dot [R, slices, C]
struct Params { rows: u32, channels: u32, slice: u32, slices: u32, epsilon: f32 }
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
  let model = group.z;
  if (i >= p.slices * p.channels) { return; }
  let s = i / p.channels;
  let c = i - s * p.channels;
  let center = mean[model * p.channels + c];
  let last = min((s + 1u) * p.slice, p.rows);
  let base = model * p.rows * p.channels + c;
  var sum = Value();
  var dot = Value();
  for (var row = s * p.slice; row < last; row++) {
    let at = base + row * p.channels;
    let g = dy[at];
    sum += g;
    dot += g * (x[at] - center);
  }
  let out = model * p.slices * p.channels + i;
  part_dy[out] = sum;
  part_dot[out] = dot / sqrt(variance[model * p.channels + c] + p.epsilon);
}
