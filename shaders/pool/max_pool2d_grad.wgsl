// Gradient of max pooling: dx[n, iy, ix, c] = sum of dy over the windows whose maximum was this element.
// An invocation computes one column of the input; overlapping windows need no atomics. Memory-bound.
// A Value is a number, or a vector of neighboring channels: then channels count vectors. With `input_is_relu`, the pooled
// image is the output of a ReLU, and dx is the gradient before it. For 2x2 windows that is a quarter of the work of a separate kernel.
//   replicas folded into the batch: dy, argmax and y (the maxima) [N, OH, OW, C], dx [N, H, W, C]
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  pool_h: u32, pool_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32,
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

// The first window that contains index `at`, along one axis. Numbers below 0 are not divided: some drivers do it wrongly.
fn first_over(at: u32, pool: u32, stride: u32) -> u32 {
  if (at < pool) { return 0u; }
  return (at - pool) / stride + 1u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let row = p.in_w * p.channels;
  if (i >= p.batch * row) { return; }
  let n = i / row;
  let ix = (i - n * row) / p.channels;
  let c = i - n * row - ix * p.channels;
  // Windows that contain column ix: ox * stride <= ix + pad < ox * stride + pool; rows likewise.
  let x = ix + p.pad_w;
  let first_ox = first_over(x, p.pool_w, p.stride_w);
  let last_ox = min(x / p.stride_w + 1u, p.out_w);
  var at = i - n * row; // within the image
  for (var iy = 0u; iy < p.in_h; iy++) {
    let y = iy + p.pad_h;
    let first_oy = first_over(y, p.pool_h, p.stride_h);
    let last_oy = min(y / p.stride_h + 1u, p.out_h);
    var sum = Sum();
    for (var oy = first_oy; oy < last_oy; oy++) {
      for (var ox = first_ox; ox < last_ox; ox++) {
        let o = ((n * p.out_h + oy) * p.out_w + ox) * p.channels + c;
        add_term(&sum, select(Value(), window_gradient(o), argmax[o] == Index(at)));
      }
    }
    dx[n * p.in_h * row + at] = total_of(sum);
    at += row;
  }
}
