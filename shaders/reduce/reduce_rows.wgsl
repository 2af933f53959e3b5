// Sums over the middle axis: y[o, s, c] = scale * sum of x[o, row, c] over the rows of slice s (s*slice_length .. (s+1)*slice_length - 1).
// A long sum takes two passes: slices first, then one slice over their results. The order of additions depends only on
// the shape of one replica, so results are the same bits every time. A Value is a number, or a vector of neighboring channels:
// then channels count vectors. Memory-bound.
//   replicas folded into outer: x [outer, rows, C], y [outer, slices, C]
struct Params { outer: u32, rows: u32, channels: u32, slice_length: u32, slices: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.outer * p.slices * p.channels) { return; }
  let sliced = i / p.channels;
  let o = sliced / p.slices;
  let first = (sliced - o * p.slices) * p.slice_length;
  let last = min(first + p.slice_length, p.rows);
  let base = o * p.rows * p.channels + (i - sliced * p.channels);
  var sum = Sum();
  var row = first;
  var at = base + first * p.channels;
  let step = p.channels;
  // Eight at a time, in a fixed tree: one by one, the loop costs more than the additions.
  for (; row + 8u <= last; row += 8u) {
    add_term(&sum, ((x[at] + x[at + step]) + (x[at + 2u * step] + x[at + 3u * step])) +
      ((x[at + 4u * step] + x[at + 5u * step]) + (x[at + 6u * step] + x[at + 7u * step])));
    at += 8u * step;
  }
  for (; row < last; row++) {
    add_term(&sum, x[at]);
    at += step;
  }
  y[i] = total_of(sum) * p.scale;
}
