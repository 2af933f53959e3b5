// Gradient of resize: dx[n, iy, ix, c] = weighted sum of dy over the output pixels that read that pixel, in row-major
// order. An invocation computes one column of dx. Memory-bound.
//   replicas folded into the batch: dy [N, OH, OW, C], dx [N, H, W, C]
struct Params { batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32, nearest: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

fn weight(i: u32, s: Source) -> f32 {
  return select(select(0.0, s.high_weight, i == s.high), s.low_weight, i == s.low);
}

// The output pixels that can have read pixel i are within (i - 1, i + 1); one more on either side has weight 0.
fn first_output(i: u32, length: u32, size: u32) -> u32 {
  if (i == 0u) { return 0u; }
  return max((2u * i - 1u) * size / (2u * length), 1u) - 1u;
}
fn last_output(i: u32, length: u32, size: u32) -> u32 {
  if (i + 1u == length) { return size - 1u; }
  return min((2u * i + 3u) * size / (2u * length), size - 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let row = p.in_w * p.channels;
  if (i >= p.batch * row) { return; }
  let n = i / row;
  let ix = (i - n * row) / p.channels;
  let c = i - n * row - ix * p.channels;
  let first_x = first_output(ix, p.in_w, p.out_w);
  let last_x = last_output(ix, p.in_w, p.out_w);
  let base = n * p.out_h * p.out_w * p.channels + c;
  var out = n * p.in_h * row + (i - n * row);
  for (var iy = 0u; iy < p.in_h; iy++) {
    let last_y = last_output(iy, p.in_h, p.out_h);
    var sum = Sum();
    for (var oy = first_output(iy, p.in_h, p.out_h); oy <= last_y; oy++) {
      let down = weight(iy, source(oy, p.in_h, p.out_h, p.nearest));
      if (down == 0.0) { continue; }
      var line = Sum();
      for (var ox = first_x; ox <= last_x; ox++) {
        let across = weight(ix, source(ox, p.in_w, p.out_w, p.nearest));
        if (across != 0.0) { add_term(&line, across * dy[base + (oy * p.out_w + ox) * p.channels]); }
      }
      add_term(&sum, down * total_of(line));
    }
    dx[out] = total_of(sum);
    out += row;
  }
}
