// Depthwise convolution: each channel c has M filters, whose outputs are the channels c * M + m:
//   y[n, oy, ox, c*M + m] = sum_{ky, kx} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, c] * w[ky, kx, c, m] + bias[c*M + m]
// One output an invocation. Memory-bound. Put before long_sum.wgsl.
// Value is f32, or vec4f where every channel has one filter and channels come in fours: then in_c and out_c count fours.
//   R replicas: x [R, N, H, W, C], w [R, KH, KW, C, M], bias [R, C*M], y [R, N, OH, OW, C*M]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  multiplier: u32, has_bias: u32, // out_c = in_c * multiplier
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> w: array<Value>;
@group(0) @binding(3) var<storage, read> bias: array<Value>;
@group(0) @binding(4) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  let size = p.batch * p.out_h * p.out_w * p.out_c;
  if (i >= size) { return; }
  let pixel = i / p.out_c;
  let co = i - pixel * p.out_c;
  let line = pixel / p.out_w;
  let ox = pixel - line * p.out_w;
  let n = line / p.out_h;
  let oy = line - n * p.out_h;
  let c = co / p.multiplier;
  let image = (replica * p.batch + n) * p.in_h * p.in_w * p.in_c + c;
  let filter_at = replica * p.kernel_h * p.kernel_w * p.out_c + co;
  var sum = Sum();
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    // Unsigned wrap-around turns a row above the image into one far below it: one comparison covers both edges.
    let iy = oy * p.stride_h + ky * p.dilation_h - p.pad_h;
    if (iy >= p.in_h) { continue; }
    for (var kx = 0u; kx < p.kernel_w; kx++) {
      let ix = ox * p.stride_w + kx * p.dilation_w - p.pad_w;
      if (ix >= p.in_w) { continue; }
      add_term(&sum, x[image + (iy * p.in_w + ix) * p.in_c] * w[filter_at + (ky * p.kernel_w + kx) * p.out_c]);
    }
  }
  var value = total_of(sum);
  if (p.has_bias != 0u) { value += bias[replica * p.out_c + co]; }
  y[replica * size + i] = value;
}
