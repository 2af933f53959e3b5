// Gradient of conv2d for its filter:
//   dw[ky, kx, ci, co] = sum_{n, oy, ox} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, ci] * dy[n, oy, ox, co]
// One filter element an invocation. The reference for every variant. Put before long_sum.wgsl.
//   R replicas: x [R, N, H, W, Ci], dy [R, N, OH, OW, Co], dw [R, KH, KW, Ci, Co]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let size = p.kernel_h * p.kernel_w * p.in_c * p.out_c;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= size) { return; }
  let replica = group.z;
  let co = i % p.out_c;
  let ci = i / p.out_c % p.in_c;
  let kx = i / (p.out_c * p.in_c) % p.kernel_w;
  let ky = i / (p.out_c * p.in_c * p.kernel_w);
  var sum = Sum();
  for (var n = 0u; n < p.batch; n++) {
    let x_image = (replica * p.batch + n) * p.in_h * p.in_w * p.in_c + ci;
    let dy_image = (replica * p.batch + n) * p.out_h * p.out_w * p.out_c + co;
    for (var oy = 0u; oy < p.out_h; oy++) {
      let iy = oy * p.stride_h + ky * p.dilation_h - p.pad_h;
      if (iy >= p.in_h) { continue; }
      for (var ox = 0u; ox < p.out_w; ox++) {
        let ix = ox * p.stride_w + kx * p.dilation_w - p.pad_w;
        if (ix >= p.in_w) { continue; }
        add_term(&sum, x[x_image + (iy * p.in_w + ix) * p.in_c] * dy[dy_image + (oy * p.out_w + ox) * p.out_c]);
      }
    }
  }
  dw[replica * size + i] = total_of(sum);
}
