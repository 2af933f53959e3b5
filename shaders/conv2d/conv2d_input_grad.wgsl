// Gradient of conv2d for its input:
//   dx[n, iy, ix, ci] = sum_{ky, kx, co} dy[n, oy, ox, co] * w[ky, kx, ci, co]   over all (oy, ky) with oy*sh + ky*dh - ph = iy
// One input element an invocation. The reference for every variant. Put before long_sum.wgsl.
//   R replicas: dy [R, N, OH, OW, Co], w [R, KH, KW, Ci, Co], dx [R, N, H, W, Ci]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let size = p.batch * p.in_h * p.in_w * p.in_c;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= size) { return; }
  let replica = group.z;
  let ci = i % p.in_c;
  let ix = i / p.in_c % p.in_w;
  let iy = i / (p.in_c * p.in_w) % p.in_h;
  let n = i / (p.in_c * p.in_w * p.in_h);
  let image = (replica * p.batch + n) * p.out_h * p.out_w * p.out_c;
  let filter_at = replica * p.kernel_h * p.kernel_w * p.in_c * p.out_c + ci * p.out_c;
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
      let w_at = filter_at + (ky * p.kernel_w + kx) * p.in_c * p.out_c;
      for (var co = 0u; co < p.out_c; co++) {
        add_term(&sum, dy[dy_at + co] * w[w_at + co]);
      }
    }
  }
  dx[replica * size + i] = total_of(sum);
}
