// Mean and squared deviations of the rows of slice s, first of two passes:
//   part_mean[s, c] = mean of x[row, c] - x[0, c]      part_square[s, c] = sum of (x[row, c] - x[0, c] - part_mean[s, c])^2
// The mean is subtracted before squaring because E[x^2] - E[x]^2 cancels, and all is relative to the first row because means
// far from 0 have few digits left for the differences between slices. The squares are those of deviations from the mean rounded to
// f32, so the square of the sum of deviations is subtracted. Sums are added up in blocks of at most 256 rows, because the relative
// error is up to 3e-8 a term. The slices depend on the shape of one replica alone: the same bits every time. One Value an invocation: a number, or a
// vector of neighboring channels. Memory-bound.
//   R replicas: x [R, rows, C], part_mean and part_square [R, slices, C]
const BLOCK = 256u;

struct Params { rows: u32, channels: u32, slice_length: u32, slices: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read_write> part_mean: array<Value>;
@group(0) @binding(3) var<storage, read_write> part_square: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  if (i >= p.slices * p.channels) { return; }
  let s = i / p.channels;
  let c = i - s * p.channels;
  let first = s * p.slice_length;
  let last = min(first + p.slice_length, p.rows);
  let base = replica * p.rows * p.channels + c;
  let shift = x[base];
  var sum = Value();
  for (var start = first; start < last; start += BLOCK) {
    let end = min(start + BLOCK, last);
    var part = Value();
    for (var row = start; row < end; row++) {
      part += x[base + row * p.channels] - shift;
    }
    sum += part;
  }
  let count = f32(last - first);
  let mean = sum / count;
  let center = shift + mean; // rounded, so that deviations from it do not add up to 0
  var square = Value();
  var left = Value();
  for (var start = first; start < last; start += BLOCK) {
    let end = min(start + BLOCK, last);
    var part = Value();
    for (var row = start; row < end; row++) {
      let deviation = x[base + row * p.channels] - center;
      left += deviation;
      part += deviation * deviation;
    }
    square += part;
  }
  let at = replica * p.slices * p.channels + i;
  part_mean[at] = mean;
  part_square[at] = square - left * left / count;
}
