// The pixels under each window of a convolution, as rows of a matrix (im2col), 0 outside of the image:
//   patches[n, oy, ox, ky, kx, ci] = x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, ci]
// One window's row of the filter an invocation. Memory-bound.
//   R replicas from `first` on: x [.., N, H, W, Ci], patches [R, N, OH, OW, KH, KW, Ci]
struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  first: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> patches: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let rows = p.batch * p.out_h * p.out_w * p.kernel_h;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= rows) { return; }
  let ky = i % p.kernel_h;
  let pixel = i / p.kernel_h;
  let ox = pixel % p.out_w;
  let oy = pixel / p.out_w % p.out_h;
  let n = pixel / (p.out_w * p.out_h);
  let iy = oy * p.stride_h + ky * p.dilation_h - p.pad_h; // a negative row wraps to a huge one
  let row = (((p.first + group.z) * p.batch + n) * p.in_h + iy) * p.in_w;
  var at = (group.z * rows + i) * p.kernel_w * p.in_c;
  for (var kx = 0u; kx < p.kernel_w; kx++) {
    let ix = ox * p.stride_w + kx * p.dilation_w - p.pad_w;
    let inside = iy < p.in_h && ix < p.in_w;
    for (var ci = 0u; ci < p.in_c; ci++) {
      var value = 0.0;
      if (inside) { value = x[(row + ix) * p.in_c + ci]; }
      patches[at] = value;
      at++;
    }
  }
}
