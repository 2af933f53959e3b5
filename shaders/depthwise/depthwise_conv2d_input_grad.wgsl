// Gradient of depthwise convolution for its input:
//   dx[n, iy, ix, c] = sum_{ky, kx, m} dy[n, oy, ox, c*M + m] * w[ky, kx, c, m]   over all (oy, ky) with oy*sh + ky*dh - ph = iy
// One input element an invocation. Memory-bound. Put before long_sum.wgsl.
// Value is f32, or vec4f where every channel has one filter and channels come in fours: then in_c and out_c count fours.
//   R replicas: dy [R, N, OH, OW, C*M], w [R, KH, KW, C, M], dx [R, N, H, W, C]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  multiplier: u32, // out_c = in_c * multiplier
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read> w: array<Value>;
@group(0) @binding(3) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  let size = p.batch * p.in_h * p.in_w * p.in_c;
  if (i >= size) { return; }
  let pixel = i / p.in_c;
  let c = i - pixel * p.in_c;
  let line = pixel / p.in_w;
  let ix = pixel - line * p.in_w;
  let n = line / p.in_h;
  let iy = line - n * p.in_h;
  let image = (replica * p.batch + n) * p.out_h * p.out_w * p.out_c + c * p.multiplier;
  let filter_at = replica * p.kernel_h * p.kernel_w * p.out_c + c * p.multiplier;
  var sum = Sum();
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    let row = iy + p.pad_h - ky * p.dilation_h; // oy * stride; wraps to a huge number when negative
    if (row >= p.out_h * p.stride_h) { continue; } // before the division: some drivers divide such numbers wrongly
    let oy = row / p.stride_h;
    if (oy * p.stride_h != row) { continue; }
    for (var kx = 0u; kx < p.kernel_w; kx++) {
      let column = ix + p.pad_w - kx * p.dilation_w;
      if (column >= p.out_w * p.stride_w) { continue; }
      let ox = column / p.stride_w;
      if (ox * p.stride_w != column) { continue; }
      let dy_at = image + (oy * p.out_w + ox) * p.out_c;
      let w_at = filter_at + (ky * p.kernel_w + kx) * p.out_c;
      for (var m = 0u; m < p.multiplier; m++) {
        add_term(&sum, dy[dy_at + m] * w[w_at + m]);
      }
    }
  }
  dx[replica * size + i] = total_of(sum);
}
