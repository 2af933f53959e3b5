// Squared deviations from the column means, first of two passes: part[s, c] = sum of (x[row, c] - mean[c])^2 over the rows of
// slice s. The mean is subtracted first because E[x^2] - E[x]^2 cancels. The slices depend on the shape of one model alone,
// and reduce_rows.wgsl adds them in order: the same bits every time. Memory-bound.
//   models R, x [R, rows, C], mean [R, C], part [R, slices, C]
struct Params { rows: u32, channels: u32, slice: u32, slices: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>;

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
  var sum = 0.0;
  for (var row = s * p.slice; row < last; row++) {
    let deviation = x[base + row * p.channels] - center;
    sum += deviation * deviation;
  }
  part[model * p.slices * p.channels + i] = sum;
}
