// Gradient of max pooling with windows that do not overlap (stride = pool, no padding). An invocation writes all elements of one column
// of windows: dy at the maximum and 0 elsewhere. Pixels at the right and the bottom that no window covers are 0. A third of the loads
// of the general kernel. Memory-bound.
// A Value is a number, or a vector of neighboring channels: then channels count vectors. With `input_is_relu`, the pooled
// image is the output of a ReLU, and dx is the gradient before it. For 2x2 windows that is a quarter of the work of a separate kernel.
//   replicas folded into the batch: dy, argmax and y (the maxima) [N, OH, OW, C], dx [N, H, W, C]
override TWO_BY_TWO = false; // windows of 2 x 2 that cover the image: no loop over their elements

struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32, pool_h: u32, pool_w: u32, cells_h: u32, cells_w: u32,
  input_is_relu: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read> argmax: array<Index>;
@group(0) @binding(3) var<storage, read> y: array<Value>;
@group(0) @binding(4) var<storage, read_write> dx: array<Value>;

// The gradient of window o for its maximum. If the input is from a ReLU, it is 0 where the ReLU's output is 0 (NaN is not 0).
fn window_gradient(o: u32) -> Value {
  if (params.input_is_relu == 0u) { return dy[o]; }
  return select(dy[o], Value(), is_at_most_zero(y[o]));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  // Cells are the windows and, at the edges, the pixels that no window covers.
  let row = p.cells_w * p.channels;
  if (i >= p.batch * row) { return; }
  let n = i / row;
  let ox = (i - n * row) / p.channels;
  let c = i - n * row - ox * p.channels;
  let image = n * p.in_h * p.in_w * p.channels;
  let first_x = ox * p.pool_w;
  let last_x = min(first_x + p.pool_w, p.in_w);
  var out = (n * p.out_h * p.out_w + ox) * p.channels + c;
  for (var oy = 0u; oy < p.cells_h; oy++) {
    var value = Value();
    var target_at = Index(0xffffffffu);
    if (ox < p.out_w && oy < p.out_h) {
      value = window_gradient(out);
      target_at = argmax[out];
    }
    if (TWO_BY_TWO) {
      let at = (2u * oy * p.in_w + first_x) * p.channels + c;
      let below = at + p.in_w * p.channels;
      dx[image + at] = select(Value(), value, Index(at) == target_at);
      dx[image + at + p.channels] = select(Value(), value, Index(at + p.channels) == target_at);
      dx[image + below] = select(Value(), value, Index(below) == target_at);
      dx[image + below + p.channels] = select(Value(), value, Index(below + p.channels) == target_at);
      out += p.out_w * p.channels;
      continue;
    }
    let last_y = min((oy + 1u) * p.pool_h, p.in_h);
    for (var iy = oy * p.pool_h; iy < last_y; iy++) {
      var at = (iy * p.in_w + first_x) * p.channels + c;
      for (var ix = first_x; ix < last_x; ix++) {
        dx[image + at] = select(Value(), value, Index(at) == target_at);
        at += p.channels;
      }
    }
    out += p.out_w * p.channels;
  }
}
