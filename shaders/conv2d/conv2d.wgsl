// conv2d: y[n, oy, ox, co] = act(sum_{ky, kx, ci} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, ci] * w[ky, kx, ci, co] + bias[co])
// One output an invocation. The reference for every variant. Put before long_sum.wgsl.
//   R replicas: x [R, N, H, W, Ci], w [R, KH, KW, Ci, Co], bias [R, Co], y [R, N, OH, OW, Co]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  has_bias: u32, epilogue: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let size = p.batch * p.out_h * p.out_w * p.out_c;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= size) { return; }
  let replica = group.z;
  let co = i % p.out_c;
  let ox = i / p.out_c % p.out_w;
  let oy = i / (p.out_c * p.out_w) % p.out_h;
  let n = i / (p.out_c * p.out_w * p.out_h);
  let image = (replica * p.batch + n) * p.in_h * p.in_w * p.in_c;
  let filter_at = replica * p.kernel_h * p.kernel_w * p.in_c * p.out_c + co;
  var sum = Sum();
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    // Unsigned wrap-around turns a row above the image into one far below it: one comparison covers both edges.
    let iy = oy * p.stride_h + ky * p.dilation_h - p.pad_h;
    if (iy >= p.in_h) { continue; }
    for (var kx = 0u; kx < p.kernel_w; kx++) {
      let ix = ox * p.stride_w + kx * p.dilation_w - p.pad_w;
      if (ix >= p.in_w) { continue; }
      let x_at = image + (iy * p.in_w + ix) * p.in_c;
      let w_at = filter_at + (ky * p.kernel_w + kx) * p.in_c * p.out_c;
      for (var ci = 0u; ci < p.in_c; ci++) {
        add_term(&sum, x[x_at + ci] * w[w_at + ci * p.out_c]);
      }
    }
  }
  var value = total_of(sum);
  if (params.has_bias != 0u) { value += bias[replica * p.out_c + co]; }
  y[replica * size + i] = apply_epilogue(value, value, params.epilogue);
}
