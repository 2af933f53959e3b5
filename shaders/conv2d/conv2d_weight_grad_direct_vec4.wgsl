// Gradient of conv2d for its filter, stride 1 along rows, with channels in groups of up to four, a vec4 each:
//   dw[ky, kx, ci, co] = sum_{n, oy, ox} x[n, oy*sh + ky - ph, ox + kx - pw, ci] * dy[n, oy, ox, co]
// An invocation sums one group of input by two groups of output channels of one tap over a slice of the rows (n, oy), or of
// parts of long rows; a second kernel adds up the slices in order. With LONG the sums are folded into a second
// level after `fold` parts (see long-sums.ts). Faster than the reference because
//   - the lanes of a subgroup hold different taps and input channels of the same pixels, so lane i loads dy of pixel
//     i % TILE and broadcasts it: one load for TILE pixels;
//   - each group of x is multiplied with two groups of output channels in registers.
//   R replicas: x [R, N, H, W, in groups] vec4, dy [R, N, OH, OW, out groups] vec4,
//   partial [some of R, slices, KH*KW, in groups * 4, out groups] vec4; rows and components past a group's width are unused
enable subgroups;

override PADDED = false; // some windows reach outside the image
override WHOLE = false;  // TILE divides the row, so that no pixel is past its end
override TILE = 8u;
override IN_WIDTH = 4u;  // channels in a group of x
override OUT_WIDTH = 4u; // and of dy
override LONG = false;   // slices of more than 512 pixels, or rows in parts

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_groups: u32, out_h: u32, out_w: u32, out_groups: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, pad_h: u32, pad_w: u32, slice_length: u32, slices: u32, blocks: u32,
  first_of_x: u32, first_of_dy: u32, // index of the dispatch's first replica in x and dy, which may hold only its replicas
  fold: u32, row_parts: u32, part: u32, // with LONG, where slices count parts: parts of a fold, parts of a row, pixels of a part
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;

// Row i is input channel i of the group, a and b are the two groups of output channels.
var<private> a0: vec4f; var<private> b0: vec4f;
var<private> a1: vec4f; var<private> b1: vec4f;
var<private> a2: vec4f; var<private> b2: vec4f;
var<private> a3: vec4f; var<private> b3: vec4f;

fn add_pixel(row: u32, inside: bool, column: u32, past_end: bool, low: vec4f, high: vec4f) {
  if (PADDED && !(inside && column < params.in_w)) { return; }
  if (!WHOLE && past_end) { return; }
  let v = x[row + column * params.in_groups];
  a0 += v.x * low; b0 += v.x * high;
  if (IN_WIDTH > 1u) { a1 += v.y * low; b1 += v.y * high; }
  if (IN_WIDTH > 2u) { a2 += v.z * low; b2 += v.z * high; }
  if (IN_WIDTH > 3u) { a3 += v.w * low; b3 += v.w * high; }
}

// The compiler drops the components that are not stored.
fn store(at: u32, value: vec4f) {
  partial[at].x = value.x;
  if (OUT_WIDTH > 1u) { partial[at].y = value.y; }
  if (OUT_WIDTH > 2u) { partial[at].z = value.z; }
  if (OUT_WIDTH > 3u) { partial[at].w = value.w; }
}

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  // x: slice; y: block of 32 (tap, input channel) pairs for eight output channels; z: replica
  let pairs = p.kernel_h * p.kernel_w * p.in_groups;
  let pair = group.y % p.blocks * 32u + local;
  let co = group.y / p.blocks * 2u;
  let ci = pair % p.in_groups; // a group, like co
  let tap = min(pair, pairs - 1u) / p.in_groups; // lanes past the end take part in broadcasts and store nothing
  let ky = tap / p.kernel_w;
  let kx = tap % p.kernel_w;
  let has_high = co + 1u < p.out_groups;
  a0 = vec4f(); a1 = vec4f(); a2 = vec4f(); a3 = vec4f();
  b0 = vec4f(); b1 = vec4f(); b2 = vec4f(); b3 = vec4f();

  let rows = p.batch * p.out_h;
  let begin = group.x * p.slice_length;
  let last = min(begin + p.slice_length, rows * select(1u, p.row_parts, LONG));
  let pixel = lane % TILE;
  var fa0 = vec4f(); var fa1 = vec4f(); var fa2 = vec4f(); var fa3 = vec4f();
  var fb0 = vec4f(); var fb1 = vec4f(); var fb2 = vec4f(); var fb3 = vec4f();
  for (var first = begin; ; first += p.fold) {
    let end = select(last, min(first + p.fold, last), LONG);
    for (var i = first; i < end; i++) {
      let r = select(i, i / p.row_parts, LONG);
      let n = r / p.out_h;
      let iy = r % p.out_h * p.stride_h + ky - p.pad_h; // wraps to a huge number above the image
      let inside = iy < p.in_h;
      let row = (((p.first_of_x + group.z) * p.batch + n) * p.in_h + select(0u, iy, inside)) * p.in_w * p.in_groups + ci;
      let dy_row = ((p.first_of_dy + group.z) * rows + r) * p.out_w;
      let row_first = select(0u, (i - r * p.row_parts) * p.part, LONG);
      let row_end = select(p.out_w, min(row_first + p.part, p.out_w), LONG);
      for (var ox = row_first; ox < row_end; ox += TILE) {
        let at = (dy_row + min(ox + pixel, p.out_w - 1u)) * p.out_groups + co;
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
    if (!LONG) { break; }
    fa0 += a0; fa1 += a1; fa2 += a2; fa3 += a3; fb0 += b0; fb1 += b1; fb2 += b2; fb3 += b3;
    a0 = vec4f(); a1 = vec4f(); a2 = vec4f(); a3 = vec4f(); b0 = vec4f(); b1 = vec4f(); b2 = vec4f(); b3 = vec4f();
    if (end == last) { break; }
  }
  if (LONG) { a0 = fa0; a1 = fa1; a2 = fa2; a3 = fa3; b0 = fb0; b1 = fb1; b2 = fb2; b3 = fb3; }
  if (pair >= pairs) { return; }
  let at = (((group.z * p.slices + group.x) * p.kernel_h * p.kernel_w + tap) * p.in_groups + ci) * 4u * p.out_groups + co;
  store(at, a0);
  if (IN_WIDTH > 1u) { store(at + p.out_groups, a1); }
  if (IN_WIDTH > 2u) { store(at + 2u * p.out_groups, a2); }
  if (IN_WIDTH > 3u) { store(at + 3u * p.out_groups, a3); }
  if (has_high) {
    store(at + 1u, b0);
    if (IN_WIDTH > 1u) { store(at + p.out_groups + 1u, b1); }
    if (IN_WIDTH > 2u) { store(at + 2u * p.out_groups + 1u, b2); }
    if (IN_WIDTH > 3u) { store(at + 3u * p.out_groups + 1u, b3); }
  }
}
