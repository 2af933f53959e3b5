// Average pooling: y[n, oy, ox, c] = mean of x over those pixels of the window that lie inside the image, as in TensorFlow:
// padding is not counted. An invocation computes one column of outputs. A Value is a
// number, or a vector of neighboring channels: then channels count vectors. Memory-bound.
//   replicas folded into the batch: x [N, H, W, C], y [N, OH, OW, C]
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  pool_h: u32, pool_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let row = p.out_w * p.channels;
  if (i >= p.batch * row) { return; }
  let n = i / row;
  let ox = (i - n * row) / p.channels;
  let c = i - n * row - ox * p.channels;
  let image = n * p.in_h * p.in_w * p.channels;
  // The window's first and last + 1 column, clipped to the image.
  let left = ox * p.stride_w;
  let first_x = max(left, p.pad_w) - p.pad_w;
  let last_x = min(left + p.pool_w - p.pad_w, p.in_w);
  var out = n * p.out_h * row + (i - n * row);
  for (var oy = 0u; oy < p.out_h; oy++) {
    let top = oy * p.stride_h;
    let first_y = max(top, p.pad_h) - p.pad_h;
    let last_y = min(top + p.pool_h - p.pad_h, p.in_h);
    var sum = Sum();
    for (var iy = first_y; iy < last_y; iy++) {
      var at = image + (iy * p.in_w + first_x) * p.channels + c;
      for (var ix = first_x; ix < last_x; ix++) {
        add_term(&sum, x[at]);
        at += p.channels;
      }
    }
    y[out] = total_of(sum) / f32((last_y - first_y) * (last_x - first_x));
    out += row;
  }
}
