// matmul: c[m, n] = act(sum_k a(m, k) * b(k, n) + bias[n]), for large products on GPUs. Compute-bound.
// A workgroup computes a tile of TILE x TILE (64 or 128; a constant put before this file), each invocation 8 x 8 of it: two times two
// blocks of 4 x 4, half a tile apart, so that neighbors read neighboring vectors of workgroup memory. Fast because
//   - 64 multiply-adds need four vectors of workgroup memory, half as many as 4 x 4 outputs need;
//   - matrices are loaded as vec4 along the contiguous axis. So the lengths of these axes and n are multiples of four;
//   - the loads for the next step, 8 along k, are under way during this one. With two buffers, a step needs one barrier.
// A driver keeps these loads ahead only if terms past the end are zeroed where the tile is stored, and if the step is not a loop.
// Rows and columns past the end load the last ones again and are not stored.
//   Z = R replicas x batch products: a [Z, M, K] or [Z, K, M], b [Z, K, N] or [Z, N, K], bias [R, N]. `a_share`, `b_share` and
//   `bias_share` consecutive products share a matrix or bias. c [Z, M, N], or with several slices of k the partial sums
//   [slices, some of Z, M, N], which matmul_slices.wgsl adds up
// With LONG, an invocation's sums of 256 products are folded into a second level (see long-sums.ts).
// epilogue 1: the activation; 2: the bias binding holds the output of a ReLU, [Z, M, N], and c is 0 where that output is not above 0.
override LONG = false; // slices of more than 512 terms

struct Params {
  m: u32, n: u32, k: u32, a_row: u32, a_col: u32, b_row: u32, b_col: u32, // strides between rows and between columns
  has_bias: u32, epilogue: u32, first_n: u32, first_m: u32, first: u32, // first column, row and product of the dispatch
  a_share: u32, b_share: u32, bias_share: u32,
  products: u32, slices: u32, slice_length: u32, // terms of a slice, a multiple of four
  first_of_c: u32, // product at which c begins
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4f>;

const QUADS = TILE / 4u; // vectors of a row of the tile
const HALF = TILE / 8u;  // vectors of half a row, and invocations along a side of the tile
const INVOCATIONS = HALF * HALF;

var<workgroup> tile_a: array<array<array<vec4f, QUADS>, 8>, 2>; // [buffer][k][row]
var<workgroup> tile_b: array<array<array<vec4f, QUADS>, 8>, 2>; // [buffer][k][column]

// The vectors of a matrix that an invocation loads in a step: one, and with tiles of 64 a second one, which is half a tile away in rows
// or four away in k. `k0`, `k1`: first terms in the first step; `at0`, `at1`: indices; `last0`, `last1`: indices at the last term.
struct Loads { k0: u32, k1: u32, at0: u32, at1: u32, last0: u32, last1: u32, step: u32 }

// Loads from the matrix that starts at `at`. `line` is a row of a or a column of b; past the last one, the last one is loaded.
fn loads_of(at: u32, line: u32, k: u32, lines: u32, line_stride: u32, k_stride: u32) -> Loads {
  let along_k = k_stride == 1u; // a vector is four terms; else it is four lines at one term
  let k1 = k + select(4u, 0u, along_k);
  let from0 = at + min(line, lines - 1u) * line_stride;
  let from1 = at + min(line + select(0u, TILE / 2u, along_k), lines - 1u) * line_stride;
  let last = params.k - 1u;
  return Loads(k, k1,
    (from0 + min(k, last) * k_stride) / 4u, (from1 + min(k1, last) * k_stride) / 4u,
    (from0 + last * k_stride) / 4u, (from1 + last * k_stride) / 4u, 2u * k_stride);
}

fn outer(x: vec4f, y: vec4f) -> mat4x4f { return mat4x4f(x.x * y, x.y * y, x.z * y, x.w * y); }

struct Blocks { c0: mat4x4f, c1: mat4x4f, c2: mat4x4f, c3: mat4x4f }

// Stores four columns of a row of c.
fn store(row_at: u32, bias_at: u32, column: u32, value: vec4f) {
  if (column >= params.n) { return; }
  let at = (row_at + column) / 4u;
  var v = value;
  if (params.has_bias != 0u) { v += bias[(bias_at + column) / 4u]; }
  var mask = v;
  if (params.epilogue == 2u) { mask = bias[at]; }
  c[at] = apply_epilogue4(v, mask, params.epilogue);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let z = p.first + group.z / p.slices;
  let slice = group.z % p.slices;
  let tile_m = p.first_m + group.y * TILE;
  let tile_n = p.first_n + group.x * TILE;
  let begin = slice * p.slice_length;
  let end = min(p.k, (slice + 1u) * p.slice_length);
  let a_at = z / p.a_share * p.m * p.k;
  let b_at = z / p.b_share * p.k * p.n;
  let a_along_k = p.a_col == 1u;
  let b_along_k = p.b_row == 1u;
  // The position of an invocation's vector in the tile: `row` and `pair` if it is along k, else `depth` along k and `quad`.
  let row = local / 2u;
  let pair = local % 2u * 4u;
  let depth = local / QUADS;
  let quad = local % QUADS;
  var la = loads_of(a_at, tile_m + select(quad * 4u, row, a_along_k), begin + select(depth, pair, a_along_k), p.m, p.a_row, p.a_col);
  var lb = loads_of(b_at, tile_n + select(quad * 4u, row, b_along_k), begin + select(depth, pair, b_along_k), p.n, p.b_col, p.b_row);
  var a0 = a[la.at0];
  var b0 = b[lb.at0];
  var a1 = vec4f(); var b1 = vec4f();
  if (TILE == 64u) {
    a1 = a[la.at1];
    b1 = b[lb.at1];
  }
  let tx = local % HALF;
  let ty = local / HALF;
  var blocks = Blocks();
  var sums = Blocks();
  var buffer = 0u;
  let terms = end - begin;
  for (var k = 0u; k < terms;) {
    let part_end = select(terms, min(k + 256u, terms), LONG);
    for (; k < part_end; k += 8u) {
      // Both zero past the end, because the value loaded again may be infinite.
      a0 = select(vec4f(), a0, la.k0 + k < end);
      b0 = select(vec4f(), b0, lb.k0 + k < end);
      if (a_along_k) {
        tile_a[buffer][pair][row / 4u][row % 4u] = a0.x;
        tile_a[buffer][pair + 1u][row / 4u][row % 4u] = a0.y;
        tile_a[buffer][pair + 2u][row / 4u][row % 4u] = a0.z;
        tile_a[buffer][pair + 3u][row / 4u][row % 4u] = a0.w;
      } else {
        tile_a[buffer][depth][quad] = a0;
      }
      if (b_along_k) {
        tile_b[buffer][pair][row / 4u][row % 4u] = b0.x;
        tile_b[buffer][pair + 1u][row / 4u][row % 4u] = b0.y;
        tile_b[buffer][pair + 2u][row / 4u][row % 4u] = b0.z;
        tile_b[buffer][pair + 3u][row / 4u][row % 4u] = b0.w;
      } else {
        tile_b[buffer][depth][quad] = b0;
      }
      if (TILE == 64u) {
        a1 = select(vec4f(), a1, la.k1 + k < end);
        b1 = select(vec4f(), b1, lb.k1 + k < end);
        if (a_along_k) {
          tile_a[buffer][pair][row / 4u + HALF][row % 4u] = a1.x;
          tile_a[buffer][pair + 1u][row / 4u + HALF][row % 4u] = a1.y;
          tile_a[buffer][pair + 2u][row / 4u + HALF][row % 4u] = a1.z;
          tile_a[buffer][pair + 3u][row / 4u + HALF][row % 4u] = a1.w;
        } else {
          tile_a[buffer][depth + 4u][quad] = a1;
        }
        if (b_along_k) {
          tile_b[buffer][pair][row / 4u + HALF][row % 4u] = b1.x;
          tile_b[buffer][pair + 1u][row / 4u + HALF][row % 4u] = b1.y;
          tile_b[buffer][pair + 2u][row / 4u + HALF][row % 4u] = b1.z;
          tile_b[buffer][pair + 3u][row / 4u + HALF][row % 4u] = b1.w;
        } else {
          tile_b[buffer][depth + 4u][quad] = b1;
        }
      }
      workgroupBarrier();
      la.at0 = min(la.at0 + la.step, la.last0);
      a0 = a[la.at0];
      lb.at0 = min(lb.at0 + lb.step, lb.last0);
      b0 = b[lb.at0];
      if (TILE == 64u) {
        la.at1 = min(la.at1 + la.step, la.last1);
        a1 = a[la.at1];
        lb.at1 = min(lb.at1 + lb.step, lb.last1);
        b1 = b[lb.at1];
      }
      {
        let x = tile_a[buffer][0][ty];
        let z = tile_a[buffer][0][ty + HALF];
        let u = tile_b[buffer][0][tx];
        let v = tile_b[buffer][0][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][1][ty];
        let z = tile_a[buffer][1][ty + HALF];
        let u = tile_b[buffer][1][tx];
        let v = tile_b[buffer][1][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][2][ty];
        let z = tile_a[buffer][2][ty + HALF];
        let u = tile_b[buffer][2][tx];
        let v = tile_b[buffer][2][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][3][ty];
        let z = tile_a[buffer][3][ty + HALF];
        let u = tile_b[buffer][3][tx];
        let v = tile_b[buffer][3][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][4][ty];
        let z = tile_a[buffer][4][ty + HALF];
        let u = tile_b[buffer][4][tx];
        let v = tile_b[buffer][4][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][5][ty];
        let z = tile_a[buffer][5][ty + HALF];
        let u = tile_b[buffer][5][tx];
        let v = tile_b[buffer][5][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][6][ty];
        let z = tile_a[buffer][6][ty + HALF];
        let u = tile_b[buffer][6][tx];
        let v = tile_b[buffer][6][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      {
        let x = tile_a[buffer][7][ty];
        let z = tile_a[buffer][7][ty + HALF];
        let u = tile_b[buffer][7][tx];
        let v = tile_b[buffer][7][tx + HALF];
        blocks.c0 += outer(x, u); blocks.c1 += outer(x, v); blocks.c2 += outer(z, u); blocks.c3 += outer(z, v);
      }
      buffer = 1u - buffer;
    }
    if (LONG) {
      sums.c0 += blocks.c0; sums.c1 += blocks.c1; sums.c2 += blocks.c2; sums.c3 += blocks.c3;
      blocks = Blocks();
    }
  }
  if (LONG) { blocks = sums; }
  // The blocks are shifted to where they are stored, in loops whose lengths the compiler does not know: 16 stores compile slowly.
  let c_at = (slice * p.products + z - p.first_of_c) * p.m * p.n;
  let bias_at = z / p.bias_share * p.n;
  let column = tile_n + tx * 4u;
  for (var first = tile_m + ty * 4u; first < min(tile_m + TILE, p.m); first += TILE / 2u) {
    for (var m = first; m < min(first + 4u, p.m); m++) {
      store(c_at + m * p.n, bias_at, column, blocks.c0[0]);
      store(c_at + m * p.n, bias_at, column + TILE / 2u, blocks.c1[0]);
      blocks.c0 = mat4x4f(blocks.c0[1], blocks.c0[2], blocks.c0[3], blocks.c0[3]);
      blocks.c1 = mat4x4f(blocks.c1[1], blocks.c1[2], blocks.c1[3], blocks.c1[3]);
    }
    blocks.c0 = blocks.c2;
    blocks.c1 = blocks.c3;
  }
}
