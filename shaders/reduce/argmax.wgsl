// y[o, s, c] = the row where x[o, row, c] is largest (sign 1) or smallest (sign -1) among the rows of slice s (s*slice_length .. (s+1)*slice_length - 1):
// the first of equal values, and the first NaN before every number, as in NumPy. A long axis takes two passes: the second one chooses
// among the rows in `chosen`, one for each slice. Memory-bound.
//   R replicas, folded into outer: x [outer, rows, C], chosen [outer, choices, C] (not read in the first pass), y [outer, slices, C]
struct Params { outer: u32, rows: u32, channels: u32, slice_length: u32, slices: u32, choices: u32, sign: f32 } // choices: 0 in the first pass
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.outer * p.slices * p.channels) { return; }
  let sliced = i / p.channels;
  let o = sliced / p.slices;
  let c = i - sliced * p.channels;
  let first = (sliced - o * p.slices) * p.slice_length;
  let last = min(first + p.slice_length, select(p.rows, p.choices, p.choices > 0u));
  let base = o * p.rows * p.channels + c;
  var best = 0.0;
  var best_at = 0u;
  for (var k = first; k < last; k++) {
    var row = k;
    if (p.choices > 0u) { row = chosen[(o * p.choices + k) * p.channels + c]; }
    let value = p.sign * x[base + row * p.channels];
    if (k == first || (!is_nan(best) && (value > best || is_nan(value)))) {
      best = value;
      best_at = row;
    }
  }
  y[i] = best_at;
}
