// Gradient of conv2d for its filter as a matrix product: rows are input channels under one tap, columns output channels, and
// the inner axis runs over the output's pixels:
//   dw[ky, kx, ci, co] = sum_{n, oy, ox} x[n, oy*sh + ky*dh - ph, ox*sw + kx*dw - pw, ci] * dy[n, oy, ox, co]
// An invocation sums 32 input channels by four output channels, of one tap, over a slice of the rows (n, oy), or of parts of
// long rows; add_slices adds up several slices in order. With LONG the sums are folded
// into a second level after `fold` parts (see long-sums.ts). Compute-bound. Faster than the reference because
//   - eight lanes side by side hold 32 output channels of the same input channels, so each loads four of those and
//     broadcasts them: eight loads for 512 multiply-adds;
//   - each of the 128 sums, too many for a CPU's registers, is loaded and stored once for four pixels.
//   R replicas: x [R, N, H, W, Ci], dy [R, N, OH, OW, Co], Ci and Co multiples of four;
//   dw [R, KH, KW, Ci, Co], or [some of R, slices, KH, KW, Ci, Co]
enable subgroups;

override LANES = 32u; // the adapter's widest subgroup; any subgroup of eight lanes or more will do
override LONG = false; // slices of more than 512 steps, or rows in parts

struct Params {
  batch: u32, in_h: u32, in_w: u32, in_c: u32, out_h: u32, out_w: u32, out_c: u32,
  kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  slice_length: u32, slices: u32, store_rounds: u32,
  first_replica: u32, first_of_sums: u32, // first replica of the dispatch, and its index in the output
  fold: u32, row_parts: u32, part: u32, // with LONG, where slices count parts: parts of a fold, parts of a row, pixels of a part
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dw: array<vec4f>;

const SUMS_PER_INVOCATION = 32u; // input channels of an invocation
const STORED_PER_ROUND = 4u; // input channels stored in a round

// Adds the products of four pixels for four input channels: `a0` to `a3` are these channels of each pixel, `d` are their gradients.
fn add(sums: ptr<function, array<vec4f, SUMS_PER_INVOCATION>>, s: u32, d: mat4x4f, a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f) {
  (*sums)[s] += d * vec4f(a0.x, a1.x, a2.x, a3.x);
  (*sums)[s + 1u] += d * vec4f(a0.y, a1.y, a2.y, a3.y);
  (*sums)[s + 2u] += d * vec4f(a0.z, a1.z, a2.z, a3.z);
  (*sums)[s + 3u] += d * vec4f(a0.w, a1.w, a2.w, a3.w);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  // x: slice; y: tap, then block of input channels, then block of output channels; z: replica
  let taps = p.kernel_h * p.kernel_w;
  let rows = p.in_c / 4u;
  let columns = p.out_c / 4u;
  let blocks = (p.in_c + SUMS_PER_INVOCATION - 1u) / SUMS_PER_INVOCATION;
  let tap = group.y % taps;
  let ky = tap / p.kernel_w;
  let kx = tap % p.kernel_w;
  let first_ci = group.y / taps % blocks * SUMS_PER_INVOCATION;
  let co = group.y / (taps * blocks) * LANES + local;
  let replica = p.first_replica + group.z;
  // Lanes past the last channel compute it again, because all lanes take part in broadcasts; they store nothing.
  let ci = min(first_ci / 4u + lane % 8u, rows - 1u);
  let dy_column = min(co, columns - 1u);

  var sums: array<vec4f, SUMS_PER_INVOCATION>;
  var folded: array<vec4f, SUMS_PER_INVOCATION>;
  let begin = group.x * p.slice_length;
  let last = min(begin + p.slice_length, p.batch * p.out_h * select(1u, p.row_parts, LONG));
  for (var first = begin; ; first += p.fold) {
    let end = select(last, min(first + p.fold, last), LONG);
    for (var i = first; i < end; i++) {
      let r = select(i, i / p.row_parts, LONG);
      let n = r / p.out_h;
      let iy = (r - n * p.out_h) * p.stride_h + ky * p.dilation_h - p.pad_h; // wraps to a huge number above the image
      if (iy >= p.in_h) { continue; }
      let x_row = ((replica * p.batch + n) * p.in_h + iy) * p.in_w * rows + ci;
      let dy_row = (replica * p.batch * p.out_h + r) * p.out_w * columns + dy_column;
      let row_first = select(0u, (i - r * p.row_parts) * p.part, LONG);
      let row_end = select(p.out_w, min(row_first + p.part, p.out_w), LONG);
      for (var ox = row_first; ox < row_end; ox += 4u) {
        var a: array<vec4f, 4>;
        var b: array<vec4f, 4>;
        for (var k = 0u; k < 4u; k++) {
          let ix = (ox + k) * p.stride_w + kx * p.dilation_w - p.pad_w;
          let inside = ox + k < p.out_w && ix < p.in_w;
          // Both are zero if there is no pixel, because NaN times zero is NaN.
          a[k] = select(vec4f(), x[select(x_row, x_row + ix * rows, inside)], inside);
          b[k] = select(vec4f(), dy[select(dy_row, dy_row + (ox + k) * columns, inside)], inside);
        }
        let d = mat4x4f(b[0], b[1], b[2], b[3]);
        // Unrolled, because the compiler keeps `sums` in registers only with constant indices.
        add(&sums, 0u, d, subgroupBroadcast(a[0], 0u), subgroupBroadcast(a[1], 0u), subgroupBroadcast(a[2], 0u), subgroupBroadcast(a[3], 0u));
        add(&sums, 4u, d, subgroupBroadcast(a[0], 1u), subgroupBroadcast(a[1], 1u), subgroupBroadcast(a[2], 1u), subgroupBroadcast(a[3], 1u));
        add(&sums, 8u, d, subgroupBroadcast(a[0], 2u), subgroupBroadcast(a[1], 2u), subgroupBroadcast(a[2], 2u), subgroupBroadcast(a[3], 2u));
        add(&sums, 12u, d, subgroupBroadcast(a[0], 3u), subgroupBroadcast(a[1], 3u), subgroupBroadcast(a[2], 3u), subgroupBroadcast(a[3], 3u));
        add(&sums, 16u, d, subgroupBroadcast(a[0], 4u), subgroupBroadcast(a[1], 4u), subgroupBroadcast(a[2], 4u), subgroupBroadcast(a[3], 4u));
        add(&sums, 20u, d, subgroupBroadcast(a[0], 5u), subgroupBroadcast(a[1], 5u), subgroupBroadcast(a[2], 5u), subgroupBroadcast(a[3], 5u));
        add(&sums, 24u, d, subgroupBroadcast(a[0], 6u), subgroupBroadcast(a[1], 6u), subgroupBroadcast(a[2], 6u), subgroupBroadcast(a[3], 6u));
        add(&sums, 28u, d, subgroupBroadcast(a[0], 7u), subgroupBroadcast(a[1], 7u), subgroupBroadcast(a[2], 7u), subgroupBroadcast(a[3], 7u));
      }
    }
    if (!LONG) { break; }
    for (var i = 0u; i < SUMS_PER_INVOCATION; i++) {
      folded[i] += sums[i];
      sums[i] = vec4f();
    }
    if (end == last) { break; }
  }
  if (LONG) { sums = folded; }

  if (co >= columns) { return; }
  // In rounds, whose number the compiler does not know: 32 unrolled stores would take it a second.
  for (var round = 0u; round < p.store_rounds; round++) {
    for (var i = 0u; i < STORED_PER_ROUND; i++) {
      let row = first_ci + round * STORED_PER_ROUND + i;
      if (row < p.in_c) {
        dw[((((p.first_of_sums + group.z) * p.slices + group.x) * taps + tap) * p.in_c + row) * columns + co] = sums[i];
      }
    }
    for (var i = 0u; i < SUMS_PER_INVOCATION - STORED_PER_ROUND; i++) { sums[i] = sums[i + STORED_PER_ROUND]; }
  }
}
