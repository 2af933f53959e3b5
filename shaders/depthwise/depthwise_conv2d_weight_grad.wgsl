// Gradient of depthwise convolution for its filter, first of two passes: the sum over one slice of the N * OH output rows; long
// rows are divided into `row_parts` parts of `columns`.
//   part[s, ky, kx, c, m] = sum_{(n, oy, ox) in slice s} dy[n, oy, ox, c*M + m] * x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, c]
// The slices depend on the shape of one replica alone, and reduce_rows.wgsl adds them in order: the same bits every time.
// One filter element of one slice an invocation. Memory-bound. Put before long_sum.wgsl.
// Value is f32, or vec4f where every channel has one filter and channels come in fours: then in_c and out_c count fours.
//   R replicas: x [R, N, H, W, C], dy [R, N, OH, OW, C*M], part [R, slices, KH, KW, C, M]
override PARTS = false; // whether rows are divided into parts, which costs a division for each

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  multiplier: u32, slice_length: u32, slices: u32, columns: u32, row_parts: u32, // out_c = in_c * multiplier
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> dy: array<Value>;
@group(0) @binding(3) var<storage, read_write> part: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let replica = group.z;
  let taps = p.kernel_h * p.kernel_w * p.out_c;
  if (i >= taps * p.slices) { return; }
  let s = i / taps;
  let tap = (i - s * taps) / p.out_c;
  let co = i - s * taps - tap * p.out_c;
  let ky = tap / p.kernel_w;
  let kx = tap - ky * p.kernel_w;
  let c = co / p.multiplier;
  let last = min((s + 1u) * p.slice_length, p.batch * p.out_h * p.row_parts);
  var sum = Sum();
  for (var piece = s * p.slice_length; piece < last; piece++) {
    var row = piece;
    var first_ox = 0u;
    var last_ox = p.out_w;
    if (PARTS) {
      row = piece / p.row_parts;
      first_ox = (piece - row * p.row_parts) * p.columns;
      last_ox = min(first_ox + p.columns, p.out_w);
    }
    let n = row / p.out_h;
    let iy = (row - n * p.out_h) * p.stride_h + ky * p.dilation_h - p.pad_h;
    if (iy >= p.in_h) { continue; } // above or below the image: negative rows wrap to huge ones
    let x_at = ((replica * p.batch + n) * p.in_h + iy) * p.in_w * p.in_c + c;
    var dy_at = ((replica * p.batch * p.out_h + row) * p.out_w + first_ox) * p.out_c + co;
    var ix = first_ox * p.stride_w + kx * p.dilation_w - p.pad_w;
    for (var ox = first_ox; ox < last_ox; ox++) {
      if (ix < p.in_w) { add_term(&sum, x[x_at + ix * p.in_c] * dy[dy_at]); }
      ix += p.stride_w;
      dy_at += p.out_c;
    }
  }
  part[replica * taps * p.slices + i] = total_of(sum);
}
