// Max pooling: y[n, oy, ox, c] = max over the window of x, and argmax = where in x (index within the image) it was found.
// On ties the first in row-major order wins, as in TensorFlow; NaN is larger than every number. An invocation computes one
// column of outputs, so that the divisions for its indices are done once. A Value is a number, or a vector of neighboring
// channels: then channels, and so indices in the image, count vectors. Memory-bound.
//   replicas folded into the batch: x [N, H, W, C], y and argmax [N, OH, OW, C]
override TWO_BY_TWO = false; // windows of 2 x 2, all inside the image: no loop and no checks

struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  pool_h: u32, pool_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;
@group(0) @binding(3) var<storage, read_write> argmax: array<Index>;

// Whether a value replaces the best so far; the first NaN stays.
fn exceeds(value: Value, best: Value) -> Truth {
  return !is_nan(best) & ((value > best) | is_nan(value));
}

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
  var out = n * p.out_h * row + (i - n * row);
  let below = p.in_w * p.channels;
  for (var oy = 0u; oy < p.out_h; oy++) {
    var best = Value();
    var best_at = Index(0xffffffffu); // no value yet
    if (TWO_BY_TWO) {
      let at = (oy * p.stride_h * p.in_w + ox * p.stride_w) * p.channels + c;
      let corners = array<Value, 4>(
        x[image + at], x[image + at + p.channels], x[image + at + below], x[image + at + below + p.channels],
      );
      best = corners[0];
      best_at = Index(at);
      let places = array<u32, 4>(at, at + p.channels, at + below, at + below + p.channels);
      for (var k = 1u; k < 4u; k++) {
        let better = exceeds(corners[k], best);
        best = select(best, corners[k], better);
        best_at = select(best_at, Index(places[k]), better);
      }
    } else {
      for (var ky = 0u; ky < p.pool_h; ky++) {
        let iy = oy * p.stride_h + ky - p.pad_h;
        if (iy >= p.in_h) { continue; } // padding is ignored (negative rows wrap to huge ones)
        for (var kx = 0u; kx < p.pool_w; kx++) {
          let ix = ox * p.stride_w + kx - p.pad_w;
          if (ix >= p.in_w) { continue; }
          let at = (iy * p.in_w + ix) * p.channels + c;
          let value = x[image + at];
          let better = (best_at == Index(0xffffffffu)) | exceeds(value, best);
          best = select(best, value, better);
          best_at = select(best_at, Index(at), better);
        }
      }
    }
    y[out] = best;
    argmax[out] = best_at;
    out += row;
  }
}
