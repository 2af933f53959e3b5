// Gradient of average pooling: dx[n, iy, ix, c] = sum of dy / (pixels of the window inside the image) over the windows that
// contain this pixel. An invocation computes one column of the input; overlapping windows need no atomics. A Value is a
// number, or a vector of neighboring channels: then channels count vectors. Memory-bound.
//   replicas folded into the batch: dy [N, OH, OW, C], dx [N, H, W, C]
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  pool_h: u32, pool_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read_write> dx: array<Value>;

// Number of pixels of window `o` inside the image, along one axis.
fn inside(o: u32, stride: u32, pool: u32, pad: u32, size: u32) -> u32 {
  let start = o * stride;
  return min(start + pool - pad, size) - (max(start, pad) - pad);
}

// The first window that contains index `at`, along one axis. Numbers below 0 are not divided: some drivers do it wrongly.
fn first_over(at: u32, pool: u32, stride: u32) -> u32 {
  if (at < pool) { return 0u; }
  return (at - pool) / stride + 1u;
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
  // Windows that contain column ix: ox * stride <= ix + pad < ox * stride + pool; rows likewise.
  let x = ix + p.pad_w;
  let first_ox = first_over(x, p.pool_w, p.stride_w);
  let last_ox = min(x / p.stride_w + 1u, p.out_w);
  var at = n * p.in_h * row + (i - n * row);
  for (var iy = 0u; iy < p.in_h; iy++) {
    let y = iy + p.pad_h;
    let first_oy = first_over(y, p.pool_h, p.stride_h);
    let last_oy = min(y / p.stride_h + 1u, p.out_h);
    var sum = Sum();
    for (var oy = first_oy; oy < last_oy; oy++) {
      let high = inside(oy, p.stride_h, p.pool_h, p.pad_h, p.in_h);
      for (var ox = first_ox; ox < last_ox; ox++) {
        let wide = inside(ox, p.stride_w, p.pool_w, p.pad_w, p.in_w);
        add_term(&sum, dy[((n * p.out_h + oy) * p.out_w + ox) * p.channels + c] / f32(high * wide));
      }
    }
    dx[at] = total_of(sum);
    at += row;
  }
}
