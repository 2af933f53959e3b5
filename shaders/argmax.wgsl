// y[o, c] = the row where x[o, row, c] is largest (sign 1) or smallest (sign -1): the first of equals, and the first NaN before
// every number, as in NumPy. Memory-bound.
//   models folded into outer: x [outer, rows, C], y [outer, C]
struct Params { outer: u32, rows: u32, channels: u32, sign: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.outer * p.channels) { return; }
  let o = i / p.channels;
  let base = o * p.rows * p.channels + (i - o * p.channels);
  var best = p.sign * x[base];
  var best_at = 0u;
  for (var row = 1u; row < p.rows; row++) {
    let value = p.sign * x[base + row * p.channels];
    if (!is_nan(best) && (value > best || is_nan(value))) {
      best = value;
      best_at = row;
    }
  }
  y[i] = best_at;
}
