// Mean and squared deviations of the rows of slice s, first of two passes, as in batch_norm_moments.wgsl:
//   part_mean[s, c] = mean of x[row, c] - x[0, c]      part_square[s, c] = sum of (x[row, c] - x[0, c] - part_mean[s, c])^2
// A cooperative group (see cooperative_workgroup.wgsl) computes `width` neighboring channels (a power of two), GROUP_SIZE / width
// invocations each: for few channels and many rows on a GPU. Sums are added up in a fixed tree. Memory-bound.
//   R replicas: x [R, rows, C], part_mean and part_square [R, slices, C]
struct Params { rows: u32, channels: u32, slice_length: u32, slices: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> part_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> part_square: array<f32>;

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
  let base = group.z * p.rows * p.channels + select(0u, c, live);
  let first_row = s * p.slice_length + rank / p.width;
  let step = GROUP_SIZE / p.width;
  let shift = x[base];
  var shifted = Sum();
  for (var row = first_row; row < last; row += step) { add_term(&shifted, x[base + row * p.channels] - shift); }
  var sum = total_of(shifted);
  for (var distance = GROUP_SIZE / 2u; distance >= p.width; distance /= 2u) { sum += exchange_xor(local, sum, distance); }
  let count = f32(last - s * p.slice_length);
  let mean = sum / count;
  let center = shift + mean; // rounded, so that deviations from it do not add up to 0
  var squares = Sum();
  var left = 0.0;
  for (var row = first_row; row < last; row += step) {
    let deviation = x[base + row * p.channels] - center;
    left += deviation;
    add_term(&squares, deviation * deviation);
  }
  var square = total_of(squares);
  for (var distance = GROUP_SIZE / 2u; distance >= p.width; distance /= 2u) {
    square += exchange_xor(local, square, distance);
    left += exchange_xor(local, left, distance);
  }
  if (!live || rank >= p.width) { return; }
  let at = (group.z * p.slices + s) * p.channels + c;
  part_mean[at] = mean;
  part_square[at] = square - left * left / count;
}
