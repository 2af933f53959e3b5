// Mean and biased variance of each channel from those of its slices, second of two passes (Chan, Golub and LeVeque 1979),
//   mean = x[0] + m      m = sum n_s mean_s / n      variance = sum (square_s + n_s (mean_s - m)^2) / n
// and the running statistics, in place: running += (batch - running) * one_minus_momentum, which comes from the host because in f32
// 1 - momentum would lose digits; 0 leaves them unchanged. The mean is stored as two values, the mean and its rounding error, because
// far from 0 one f32 is not accurate enough. One Value an invocation. Memory-bound.
//   R replicas: x [R, rows, C], part_mean and part_square [R, slices, C], mean [R, 2, C], the others [R, C]
struct Params { rows: u32, channels: u32, slice_length: u32, slices: u32, one_minus_momentum: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> part_mean: array<Value>;
@group(0) @binding(3) var<storage, read> part_square: array<Value>;
@group(0) @binding(4) var<storage, read_write> mean: array<Value>;
@group(0) @binding(5) var<storage, read_write> variance: array<Value>;
@group(0) @binding(6) var<storage, read_write> running_mean: array<Value>;
@group(0) @binding(7) var<storage, read_write> running_variance: array<Value>;

// Number of rows of slice s.
fn rows_of(s: u32) -> f32 {
  return f32(min(params.slice_length, params.rows - s * params.slice_length));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  if (i >= p.channels) { return; }
  let base = replica * p.slices * p.channels + i;
  var sum = Sum();
  for (var s = 0u; s < p.slices; s++) {
    add_term(&sum, part_mean[base + s * p.channels] * rows_of(s));
  }
  let m = total_of(sum) / f32(p.rows);
  var square = Sum();
  for (var s = 0u; s < p.slices; s++) {
    let deviation = part_mean[base + s * p.channels] - m;
    add_term(&square, part_square[base + s * p.channels] + deviation * deviation * rows_of(s));
  }
  let at = replica * p.channels + i;
  let first = x[replica * p.rows * p.channels + i];
  // Rows are fewer than 2^31, so nothing is added to the bits; but compilers cannot simplify center - first to m.
  let center = bitcast<Value>(bitcast<Index>(first + m) | Index(p.rows >> 31u));
  let biased_variance = total_of(square) / f32(p.rows);
  let at_mean = 2u * replica * p.channels + i;
  mean[at_mean] = center;
  mean[at_mean + p.channels] = m - (center - first);
  variance[at] = biased_variance;
  if (p.one_minus_momentum != 0.0) {
    running_mean[at] += (center - running_mean[at]) * p.one_minus_momentum;
    running_variance[at] += (biased_variance - running_variance[at]) * p.one_minus_momentum;
  }
}
