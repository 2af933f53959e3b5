// Gradient of affine_sample: dx[n, iy, ix, c] = weighted sum of dy over the output pixels that read it, in row-major order.
// An invocation handles a channel of an image, so no two invocations add to one element, and the bits do not depend on scheduling. With few
// images that leaves a GPU idle, but augmentation is at the beginning of a model, where this gradient is rarely needed. A dispatch handles
// the `count` output pixels of each image from `first` on.
//   replicas folded into the images: dy [N, OH, OW, C], maps [N, 8] i32, dx [N, H, W, C]
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

fn add_to(base: u32, row: i32, column: i32, term: f32) {
  if (row < 0 || column < 0) { return; }
  dx[base + (u32(row) * u32(params.in_w) + u32(column)) * params.channels] += term;
}

fn scatter(base: u32, row: i32, t: Taps, term: f32) {
  if (t.low == t.high) {
    add_to(base, row, t.low, term);
    return;
  }
  add_to(base, row, t.low, term * (1.0 - t.part));
  add_to(base, row, t.high, term * t.part);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= params.images * params.channels) { return; }
  let image = i / params.channels;
  let c = i - image * params.channels;
  let pixels = u32(params.in_h * params.in_w);
  let base = image * pixels * params.channels + c;
  if (params.first == 0u) {
    for (var k = 0u; k < pixels; k++) { dx[base + k * params.channels] = 0.0; }
  }
  let begin = image * params.out_h * params.out_w + params.first;
  for (var o = begin; o < begin + params.count; o++) {
    let source = source_of(o);
    let term = dy[o * params.channels + c];
    if (source.y.low == source.y.high) {
      scatter(base, source.y.low, source.x, term);
    } else {
      scatter(base, source.y.low, source.x, term * (1.0 - source.y.part));
      scatter(base, source.y.high, source.x, term * source.y.part);
    }
  }
}
