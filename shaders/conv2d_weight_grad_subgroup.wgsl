// Gradient of conv2d for its filter, stride 1 along rows, channel counts padded to multiples of four:
//   dw[ky, kx, ci, co] = sum_{n, oy, ox} x[n, oy*sh + ky - ph, ox + kx - pw, ci] * dy[n, oy, ox, co]
// An invocation sums a block of four input by eight output channels of one tap over a slice of the rows (n, oy); a second
// kernel adds the slices in their order. Faster than the reference because
//   - the lanes of a subgroup hold different taps and input channels of the same pixels, so lane i loads dy of pixel
//     i % TILE and broadcasts hand it round: one load for TILE pixels;
//   - each x it loads (four channels) meets eight output channels in registers.
//   models R, x [R, N, H, W, Ci/4] vec4, dy [R, N, OH, OW, Co/4] vec4, partial [R, slices, KH*KW, Ci, Co/4] vec4
enable subgroups;

override PADDED = false; // some windows reach outside the image
override WHOLE = false;  // TILE divides the row, so that no pixel lies past its end
override TILE = 8u;

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c4: u32, out_h: u32, out_w: u32, out_c4: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, pad_h: u32, pad_w: u32, slice: u32, slices: u32, blocks: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;

// Four input channels by eight output channels: row i is input channel i.
var<private> a0: vec4f; var<private> b0: vec4f;
var<private> a1: vec4f; var<private> b1: vec4f;
var<private> a2: vec4f; var<private> b2: vec4f;
var<private> a3: vec4f; var<private> b3: vec4f;

fn add_pixel(row: u32, inside: bool, column: u32, past_end: bool, low: vec4f, high: vec4f) {
  if (PADDED && !(inside && column < params.in_w)) { return; }
  if (!WHOLE && past_end) { return; }
  let v = x[row + column * params.in_c4];
  a0 += v.x * low; b0 += v.x * high;
  a1 += v.y * low; b1 += v.y * high;
  a2 += v.z * low; b2 += v.z * high;
  a3 += v.w * low; b3 += v.w * high;
}

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  // x: slice; y: block of 32 (tap, input channel) pairs for eight output channels; z: model
  let pairs = p.kernel_h * p.kernel_w * p.in_c4;
  let pair = group.y % p.blocks * 32u + local;
  let co = group.y / p.blocks * 2u;
  let ci = pair % p.in_c4;
  let tap = min(pair, pairs - 1u) / p.in_c4; // lanes past the end work along, for the broadcasts, and store nothing
  let ky = tap / p.kernel_w;
  let kx = tap % p.kernel_w;
  let has_high = co + 1u < p.out_c4;
  a0 = vec4f(); a1 = vec4f(); a2 = vec4f(); a3 = vec4f();
  b0 = vec4f(); b1 = vec4f(); b2 = vec4f(); b3 = vec4f();

  let rows = p.batch * p.out_h;
  let first = group.x * p.slice;
  let last = min(first + p.slice, rows);
  let pixel = lane % TILE;
  for (var r = first; r < last; r++) {
    let n = r / p.out_h;
    let iy = r % p.out_h * p.stride_h + ky - p.pad_h; // wraps to a huge number above the image
    let inside = iy < p.in_h;
    let row = ((group.z * p.batch + n) * p.in_h + select(0u, iy, inside)) * p.in_w * p.in_c4 + ci;
    let dy_row = (group.z * rows + r) * p.out_w;
    for (var ox = 0u; ox < p.out_w; ox += TILE) {
      let at = (dy_row + min(ox + pixel, p.out_w - 1u)) * p.out_c4 + co;
      let low = dy[at];
      let high = dy[select(at, at + 1u, has_high)];
      let column = ox + kx - p.pad_w;
      let left = p.out_w - ox;
      add_pixel(row, inside, column, false, subgroupBroadcast(low, 0u), subgroupBroadcast(high, 0u));
      add_pixel(row, inside, column + 1u, left < 2u, subgroupBroadcast(low, 1u), subgroupBroadcast(high, 1u));
      add_pixel(row, inside, column + 2u, left < 3u, subgroupBroadcast(low, 2u), subgroupBroadcast(high, 2u));
      add_pixel(row, inside, column + 3u, left < 4u, subgroupBroadcast(low, 3u), subgroupBroadcast(high, 3u));
      if (TILE > 4u) {
        add_pixel(row, inside, column + 4u, left < 5u, subgroupBroadcast(low, 4u), subgroupBroadcast(high, 4u));
      }
      if (TILE > 5u) {
        add_pixel(row, inside, column + 5u, left < 6u, subgroupBroadcast(low, 5u), subgroupBroadcast(high, 5u));
      }
      if (TILE > 6u) {
        add_pixel(row, inside, column + 6u, left < 7u, subgroupBroadcast(low, 6u), subgroupBroadcast(high, 6u));
      }
      if (TILE > 7u) {
        add_pixel(row, inside, column + 7u, left < 8u, subgroupBroadcast(low, 7u), subgroupBroadcast(high, 7u));
      }
    }
  }
  if (pair >= pairs) { return; }
  let at = (((group.z * p.slices + group.x) * p.kernel_h * p.kernel_w + tap) * p.in_c4 + ci) * 4u * p.out_c4 + co;
  partial[at] = a0;
  partial[at + p.out_c4] = a1;
  partial[at + 2u * p.out_c4] = a2;
  partial[at + 3u * p.out_c4] = a3;
  if (has_high) {
    partial[at + 1u] = b0;
    partial[at + p.out_c4 + 1u] = b1;
    partial[at + 2u * p.out_c4 + 1u] = b2;
    partial[at + 3u * p.out_c4 + 1u] = b3;
  }
}
