// y[n, oy, ox, c] = x at the position (oy, ox) scaled to the size of x: the nearest pixel, or the four around it weighted by
// distance. A pixel of weight 0 is not read, so its NaN does not spread. An invocation computes one column, so that the divisions
// for its index are done once. Memory-bound.
//   replicas folded into the batch: x [N, H, W, C], y [N, OH, OW, C]
struct Params { batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32, nearest: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn between(low: f32, high: f32, s: Source) -> f32 {
  if (s.low == s.high) { return low; } // infinity times 0 would be NaN
  return low * s.low_weight + high * s.high_weight;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let row = p.out_w * p.channels;
  if (i >= p.batch * row) { return; }
  let n = i / row;
  let ox = (i - n * row) / p.channels;
  let c = i - n * row - ox * p.channels;
  let across = source(ox, p.in_w, p.out_w, p.nearest);
  let left = n * p.in_h * p.in_w * p.channels + across.low * p.channels + c;
  let right = left + (across.high - across.low) * p.channels;
  let in_row = p.in_w * p.channels;
  var out = n * p.out_h * row + (i - n * row);
  for (var oy = 0u; oy < p.out_h; oy++) {
    let down = source(oy, p.in_h, p.out_h, p.nearest);
    let top = between(x[left + down.low * in_row], x[right + down.low * in_row], across);
    let bottom = between(x[left + down.high * in_row], x[right + down.high * in_row], across);
    y[out] = between(top, bottom, down);
    out += row;
  }
}
