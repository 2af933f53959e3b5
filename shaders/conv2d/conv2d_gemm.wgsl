// conv2d as an implicit matrix product: rows are output pixels (n, oy, ox), columns output channels, and the inner axis runs
// over taps and input channels, with no im2col buffer:
//   y[pixel, co] = act(sum_{ky, kx, ci} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, ci] * w[ky, kx, ci, co] + bias[co])
// An invocation sums 32 pixels by four channels; eight lanes side by side hold 32 channels (SPLIT: 16 channels of two such
// tiles of pixels). Compute-bound. Faster than the reference because
//   - all lanes need the same pixels, so each of eight lanes loads some of them and broadcasts them: eight loads (SPLIT: twelve)
//     for 512 multiply-adds;
//   - the 128 sums of an invocation do not fit into a CPU's registers, but each is loaded and stored once for four multiply-adds,
//     and a spilled register costs far less than a load from a buffer.
// With LONG the sums are folded into a second level after 256 steps or more (see long-sums.ts).
//   R replicas: x [R, N, H, W, Ci], w [R, KH, KW, Ci, Co], bias [R, Co], y [R, N, OH, OW, Co]; Co a multiple of four
enable subgroups;

override LANES = 32u;   // the adapter's widest subgroup; any subgroup of eight lanes or more will do
override WIDTH = 4u;    // input channels of a step; divides Ci
override SPLIT = false;
override LONG = false;  // more than 512 steps
// y and w are strided views of larger arrays: one stride phase of an input gradient (see `inputGrad` in conv2d-gemm.ts).
override STRIDED_OUTPUT = false;

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  has_bias: u32, epilogue: u32, store_rounds: u32,
  // With STRIDED_OUTPUT: y [R, N, y_h, y_w, Co], of which the pixels y_first + i * y_step are stored; w [R, taps, Ci, Co] likewise.
  y_h: u32, y_w: u32, y_first_h: u32, y_first_w: u32, y_step_h: u32, y_step_w: u32,
  taps: u32, filter_w: u32, tap_first_h: u32, tap_first_w: u32, tap_step_h: u32, tap_step_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<vec4f>; // x, if WIDTH is four
@group(0) @binding(2) var<storage, read> x1: array<f32>;   // x, if it is less
@group(0) @binding(3) var<storage, read> w: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

const SUMS_PER_INVOCATION = 32u; // pixels of an invocation
const STORED_PER_ROUND = 4u; // pixels stored in a round
const MAX_LOADS = 8u; // most pixels that a lane loads

fn load(at: u32) -> vec4f {
  if (WIDTH == 4u) { return x4[at / 4u]; }
  var v = vec4f(x1[at], 0.0, 0.0, 0.0);
  if (WIDTH > 1u) { v.y = x1[at + 1u]; }
  if (WIDTH > 2u) { v.z = x1[at + 2u]; }
  return v;
}

// Four channels, or WIDTH, of a pixel times their rows of weights.
fn product(v: vec4f, b: mat4x4f) -> vec4f {
  var sum = v.x * b[0];
  if (WIDTH > 1u) { sum += v.y * b[1]; }
  if (WIDTH > 2u) { sum += v.z * b[2]; }
  if (WIDTH > 3u) { sum += v.w * b[3]; }
  return sum;
}

fn select_half(low: vec4f, high: vec4f, upper: bool) -> vec4f {
  if (SPLIT) { return select(low, high, upper); }
  return low;
}

// Adds the products of one step for the eight pixels that eight lanes hold in `low` (or `high`, for the upper lanes).
fn add(sums: ptr<function, array<vec4f, SUMS_PER_INVOCATION>>, s: u32, low: vec4f, high: vec4f, upper: bool, b: mat4x4f) {
  (*sums)[s] += product(select_half(subgroupBroadcast(low, 0u), subgroupBroadcast(high, 0u), upper), b);
  (*sums)[s + 1u] += product(select_half(subgroupBroadcast(low, 1u), subgroupBroadcast(high, 1u), upper), b);
  (*sums)[s + 2u] += product(select_half(subgroupBroadcast(low, 2u), subgroupBroadcast(high, 2u), upper), b);
  (*sums)[s + 3u] += product(select_half(subgroupBroadcast(low, 3u), subgroupBroadcast(high, 3u), upper), b);
  (*sums)[s + 4u] += product(select_half(subgroupBroadcast(low, 4u), subgroupBroadcast(high, 4u), upper), b);
  (*sums)[s + 5u] += product(select_half(subgroupBroadcast(low, 5u), subgroupBroadcast(high, 5u), upper), b);
  (*sums)[s + 6u] += product(select_half(subgroupBroadcast(low, 6u), subgroupBroadcast(high, 6u), upper), b);
  (*sums)[s + 7u] += product(select_half(subgroupBroadcast(low, 7u), subgroupBroadcast(high, 7u), upper), b);
}

// Index in y of pixel m of replica z.
fn pixel_at(z: u32, m: u32) -> u32 {
  let p = params;
  if (!STRIDED_OUTPUT) { return z * p.batch * p.out_h * p.out_w + m; }
  let q = m / p.out_w;
  let n = q / p.out_h;
  let row = p.y_first_h + (q - n * p.out_h) * p.y_step_h;
  return ((z * p.batch + n) * p.y_h + row) * p.y_w + p.y_first_w + (m - q * p.out_w) * p.y_step_w;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  let loads = select(4u, 8u, SPLIT);
  let pixels = p.batch * p.out_h * p.out_w;
  let first = group.x * 8u * loads;
  // With SPLIT the lanes 4 to 7 of each eight repeat the channels of 0 to 3, for the tile's other 32 pixels.
  let upper = SPLIT && lane % 8u >= 4u;
  let first_pixel = first + select(0u, SUMS_PER_INVOCATION, upper);
  let columns = p.out_c / 4u;
  let lane_channel = select(local, local / 8u * 4u + local % 4u, SPLIT);
  let co = group.y * select(LANES, LANES / 2u, SPLIT) + lane_channel;

  // The pixels that this lane loads: of each eight, one by its index. Past the end, the last one again, which is not stored.
  var row: array<u32, MAX_LOADS>; // index in x of the first row of the image
  var iy0: array<u32, MAX_LOADS>; // may wrap below zero
  var ix0: array<u32, MAX_LOADS>;
  for (var r = 0u; r < loads; r++) {
    let m = min(first + r * 8u + lane % 8u, pixels - 1u);
    let q = m / p.out_w;
    let n = q / p.out_h;
    row[r] = (group.z * p.batch + n) * p.in_h;
    iy0[r] = (q - n * p.out_h) * p.stride_h - p.pad_h;
    ix0[r] = (m - q * p.out_w) * p.stride_w - p.pad_w;
  }

  var sums: array<vec4f, SUMS_PER_INVOCATION>;
  var folded: array<vec4f, SUMS_PER_INVOCATION>;
  var steps = 0u; // since the sums were folded
  // Lanes past the last channel compute it again, because all lanes take part in broadcasts.
  let column = min(co, columns - 1u);
  var w_at = group.z * p.kernel_h * p.kernel_w * p.in_c * columns + column;
  for (var ky = 0u; ky < p.kernel_h; ky++) {
    for (var kx = 0u; kx < p.kernel_w; kx++) {
      var at: array<u32, MAX_LOADS>;
      var inside: array<bool, MAX_LOADS>;
      for (var r = 0u; r < loads; r++) {
        let iy = iy0[r] + ky * p.dilation_h;
        let ix = ix0[r] + kx * p.dilation_w;
        inside[r] = iy < p.in_h && ix < p.in_w; // an index above or left of the image has wrapped to a huge one
        at[r] = select(0u, ((row[r] + iy) * p.in_w + ix) * p.in_c, inside[r]);
      }
      if (STRIDED_OUTPUT) {
        let tap = (p.tap_first_h + ky * p.tap_step_h) * p.filter_w + p.tap_first_w + kx * p.tap_step_w;
        w_at = (group.z * p.taps + tap) * p.in_c * columns + column;
      }
      for (var first_c = 0u; ; first_c += 256u * WIDTH) {
        let end_c = select(p.in_c, min(first_c + 256u * WIDTH, p.in_c), LONG);
        for (var c = first_c; c < end_c; c += WIDTH) {
          var a: array<vec4f, MAX_LOADS>;
          for (var r = 0u; r < loads; r++) { a[r] = select(vec4f(), load(at[r] + c), inside[r]); }
          var b = mat4x4f();
          b[0] = w[w_at];
          if (WIDTH > 1u) { b[1] = w[w_at + columns]; }
          if (WIDTH > 2u) { b[2] = w[w_at + 2u * columns]; }
          if (WIDTH > 3u) { b[3] = w[w_at + 3u * columns]; }
          w_at += WIDTH * columns;
          // Unrolled, because the compiler keeps `sums` in registers only with constant indices.
          add(&sums, 0u, a[0], a[select(0u, 4u, SPLIT)], upper, b);
          add(&sums, 8u, a[1], a[select(1u, 5u, SPLIT)], upper, b);
          add(&sums, 16u, a[2], a[select(2u, 6u, SPLIT)], upper, b);
          add(&sums, 24u, a[3], a[select(3u, 7u, SPLIT)], upper, b);
        }
        if (!LONG) { break; }
        steps += (end_c - first_c) / WIDTH;
        if (steps >= 256u) {
          steps = 0u;
          for (var i = 0u; i < SUMS_PER_INVOCATION; i++) {
            folded[i] += sums[i];
            sums[i] = vec4f();
          }
        }
        if (end_c == p.in_c) { break; }
      }
    }
  }

  if (LONG) { for (var i = 0u; i < SUMS_PER_INVOCATION; i++) { sums[i] += folded[i]; } }

  if (co >= columns) { return; }
  var b = vec4f();
  if (p.has_bias != 0u) { b = bias[group.z * columns + co]; }
  // In rounds, whose number the compiler does not know: 32 unrolled stores would take it a second.
  for (var round = 0u; round < p.store_rounds; round++) {
    for (var i = 0u; i < STORED_PER_ROUND; i++) {
      let m = first_pixel + round * STORED_PER_ROUND + i;
      if (m < pixels) {
        let v = sums[i] + b;
        y[pixel_at(group.z, m) * columns + co] = apply_epilogue4(v, v, p.epilogue);
      }
    }
    for (var i = 0u; i < SUMS_PER_INVOCATION - STORED_PER_ROUND; i++) { sums[i] = sums[i + STORED_PER_ROUND]; }
  }
}
