// y[n, oy, ox, c] = x at the position to which the map of image n takes (oy, ox): the nearest pixel, or the four around it weighted by
// distance. Outside of the image: the fill value, or pixels of the image (see `pixel`). A pixel of weight 0 is not read, so its NaN does
// not spread.
// An invocation a pixel, all channels. Memory-bound.
//   replicas folded into the images: x [N, H, W, C], maps [N, 8] i32, y [N, OH, OW, C]
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn value(image: u32, row: i32, column: i32, c: u32) -> f32 {
  if (row < 0 || column < 0) { return params.fill; }
  return x[((image * u32(params.in_h) + u32(row)) * u32(params.in_w) + u32(column)) * params.channels + c];
}

fn across(image: u32, row: i32, t: Taps, c: u32) -> f32 {
  let low = value(image, row, t.low, c);
  if (t.low == t.high) { return low; }
  return low * (1.0 - t.part) + value(image, row, t.high, c) * t.part;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let o = (group.y * groups.x + group.x) * 64u + local;
  if (o >= params.images * params.out_h * params.out_w) { return; }
  let source = source_of(o);
  for (var c = 0u; c < params.channels; c++) {
    var result = across(source.image, source.y.low, source.x, c);
    if (source.y.low != source.y.high) {
      result = result * (1.0 - source.y.part) + across(source.image, source.y.high, source.x, c) * source.y.part;
    }
    y[o * params.channels + c] = result;
  }
}
