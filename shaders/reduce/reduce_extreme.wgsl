// Largest (sign 1) or smallest (sign -1) along the middle axis: y[o, s, c] = max or min of x[o, row, c] over the rows of
// slice s (s*slice_length .. (s+1)*slice_length - 1). NaN is the extreme of its row. A long axis takes two passes, as for sums. A Value is a
// number, or a vector of neighboring channels: then channels count vectors. Memory-bound.
//   replicas folded into outer: x [outer, rows, C], y [outer, slices, C]
struct Params { outer: u32, rows: u32, channels: u32, slice_length: u32, slices: u32, sign: f32 }
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
  var best = p.sign * x[base + first * p.channels];
  for (var row = first + 1u; row < last; row++) {
    let value = p.sign * x[base + row * p.channels];
    best = select(best, value, !is_nan(best) & ((value > best) | is_nan(value)));
  }
  y[i] = p.sign * best;
}
