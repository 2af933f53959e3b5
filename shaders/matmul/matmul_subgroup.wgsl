// matmul: c[m, n] = act(sum_k a(m, k) * b(k, n) + bias[n]). Compute-bound.
// Lane i of a workgroup computes rows 4i .. 4i + 3 and up to 32 columns (4 * BLOCKS). In each step, four along k, it loads one
// 4 x 4 block of a, of its own rows, and one of b, of columns 4 (i % 8) .. + 3. Each lane shuffles its block of b to the others,
// which multiply it with a in registers: 512 FMAs per lane for 32 loaded values. Fast because
//   - loads cost most on a software adapter, and no operand is loaded by two lanes;
//   - matrices are read in stored order, with vec4 loads along the contiguous axis (A_WIDE, B_WIDE). They are transposed in
//     registers, which only renames them, so all transposes cost the same;
//   - rows and columns past the end load the last ones again and store nothing: no slow path for the edge.
// A slice of more than 2,048 terms (LONG) is computed in parts of 1,024, each added to the stored sums: longer sums would lose accuracy,
// and there are no registers for a second level (see long-sums.ts).
// A shuffle from a constant lane is a broadcast, without the test that Mesa 25 adds to subgroupBroadcast.
// Any subgroup of eight lanes or more is supported: block j of b comes from lane j of the same subgroup, in which lane i always loads block
// i % 8. Rows are numbered by the index in the workgroup, which consists of whole subgroups (LANES is the widest).
//   Z = R replicas x batch products: a [Z, M, K] or [Z, K, M], b [Z, K, N] or [Z, N, K], bias [R, N]. `a_share`, `b_share` and
//   `bias_share` consecutive products share a matrix or bias. c [Z, M, N], or with several slices of k the partial sums
//   [slices, some of Z, M, N], which matmul_slices.wgsl adds up;
//   with COLUMN_SUMS sums [Z, N]
enable subgroups;

override LANES = 32u;
override BLOCKS = 8u;         // blocks of four columns
override A_WIDE = false;      // the length of a's contiguous axis is a multiple of four
override B_WIDE = false;
override TRANSPOSE_A = false; // the contiguous axis of a is m
override TRANSPOSE_B = false; // the contiguous axis of b is k
override RAGGED = false;      // k is not a multiple of four
override RELU_MASK = false;     // epilogue is 2; a separate kernel, because compiling it takes a third longer
override LONG = false;
override COLUMN_SUMS = false; // also sums[n] = sum_k b(k, n): a layer's bias gradient, from the values that its weight gradient loads

// epilogue 1: the activation; 2: the bias binding holds the output of a ReLU, [Z, M, N], and c is 0 where that output is not above 0.
struct Params {
  m: u32, n: u32, k: u32, a_row: u32, a_col: u32, b_row: u32, b_col: u32, // strides between rows and between columns
  has_bias: u32, epilogue: u32, first_n: u32, first_m: u32, first: u32, // first column, row and product of the dispatch
  a_share: u32, b_share: u32, bias_share: u32,
  products: u32, slices: u32, slice_length: u32, // terms of a slice, a multiple of four
  first_of_c: u32, // product at which c begins
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> a_wide: array<vec4f>; // the same buffers as a and b
@group(0) @binding(4) var<storage, read> b_wide: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
// Binding 6, c, `load_c` and `store_c`: see matmul_store_vec4.wgsl and matmul_store_scalars.wgsl.
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;

const FOUR = vec4u(0u, 1u, 2u, 3u);
const PART = 1024u; // terms of a part of a long slice

// a at four rows, whose first elements are at `rows`, and k .. k + 3: a column for each k.
fn load_block_of_a(rows: vec4u, k: vec4u) -> mat4x4f {
  if (A_WIDE && TRANSPOSE_A) {
    let at = (rows.x + k * params.a_col) / 4u;
    return mat4x4f(a_wide[at.x], a_wide[at.y], a_wide[at.z], a_wide[at.w]);
  }
  if (A_WIDE) {
    let at = (rows + k.x) / 4u;
    return transpose(mat4x4f(a_wide[at.x], a_wide[at.y], a_wide[at.z], a_wide[at.w]));
  }
  var x = mat4x4f(); // filled from the right in a loop, because sixteen unrolled loads take long to compile
  for (var i = k.x; i < k.x + 4u; i++) {
    let at = rows + min(i, params.k - 1u) * params.a_col;
    x = mat4x4f(x[1], x[2], x[3], vec4f(a[at.x], a[at.y], a[at.z], a[at.w]));
  }
  return x;
}

// b at k .. k + 3 and four columns: a column for each column of b.
fn load_block_of_b(columns: vec4u, k: vec4u) -> mat4x4f {
  if (B_WIDE && TRANSPOSE_B) {
    let at = (columns + k.x) / 4u;
    return mat4x4f(b_wide[at.x], b_wide[at.y], b_wide[at.z], b_wide[at.w]);
  }
  if (B_WIDE) {
    let at = (columns.x + k * params.b_row) / 4u;
    return transpose(mat4x4f(b_wide[at.x], b_wide[at.y], b_wide[at.z], b_wide[at.w]));
  }
  var y = mat4x4f();
  for (var i = k.x; i < k.x + 4u; i++) {
    let at = columns + min(i, params.k - 1u) * params.b_row;
    y = mat4x4f(y[1], y[2], y[3], vec4f(b[at.x], b[at.y], b[at.z], b[at.w]));
  }
  return transpose(y);
}

// Stores four columns of the row of c that starts at `row_at`, from one part of the slice.
fn store(row_at: u32, bias_at: u32, column: u32, value: vec4f, is_first: bool, is_last: bool) {
  let at = row_at + column;
  let count = params.n - column;
  var v = value;
  if (!is_first) { v += load_c(at, count); }
  if (!is_last) {
    store_c(at, v, count);
    return;
  }
  if (params.has_bias != 0u) {
    let last = params.n - 1u; // nothing is stored past it, so any value will do
    let i = bias_at + min(column + FOUR, vec4u(last));
    v += vec4f(bias[i.x], bias[i.y], bias[i.z], bias[i.w]);
  }
  var mask = v;
  if (RELU_MASK) {
    let i = min(at + FOUR, vec4u(row_at + params.n - 1u));
    mask = vec4f(bias[i.x], bias[i.y], bias[i.z], bias[i.w]);
  }
  v = apply_epilogue4(v, mask, params.epilogue);
  store_c(at, v, count);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  let z = p.first + group.z / p.slices;
  let slice = group.z % p.slices;
  let row = p.first_m + (group.y * LANES + local) * 4u;
  let column = p.first_n + group.x * BLOCKS * 4u;
  let rows = z / p.a_share * p.m * p.k + min(row + FOUR, vec4u(p.m - 1u)) * p.a_row;
  let columns = z / p.b_share * p.k * p.n + min(column + lane % 8u * 4u + FOUR, vec4u(p.n - 1u)) * p.b_col;
  var column_sums = mat4x4f();
  var column_sums_of_parts = mat4x4f();
  let begin = slice * p.slice_length;
  let end = min(p.k, (slice + 1u) * p.slice_length);
  for (var first = begin; ; first += PART) {
    let part_end = select(end, min(first + PART, end), LONG);
    var c0 = mat4x4f(); var c1 = mat4x4f(); var c2 = mat4x4f(); var c3 = mat4x4f();
    var c4 = mat4x4f(); var c5 = mat4x4f(); var c6 = mat4x4f(); var c7 = mat4x4f();
    for (var k = first; k < part_end; k += 4u) {
      var at = k + FOUR;
      if (RAGGED) { at = min(at, vec4u(p.k - 1u)); }
      var x = load_block_of_a(rows, at);
      var y = load_block_of_b(columns, at);
      if (RAGGED) { // both zero past the end, because the value loaded again may be infinite
        x[1] = select(vec4f(), x[1], k + 1u < p.k);
        x[2] = select(vec4f(), x[2], k + 2u < p.k);
        x[3] = select(vec4f(), x[3], k + 3u < p.k);
        let inside = k + FOUR < vec4u(p.k);
        y = mat4x4f(select(vec4f(), y[0], inside), select(vec4f(), y[1], inside), select(vec4f(), y[2], inside), select(vec4f(), y[3], inside));
      }
      if (COLUMN_SUMS) { column_sums += y; }
      let y0 = y[0]; let y1 = y[1]; let y2 = y[2]; let y3 = y[3];
      c0 += x * mat4x4f(subgroupShuffle(y0, 0u), subgroupShuffle(y1, 0u), subgroupShuffle(y2, 0u), subgroupShuffle(y3, 0u));
      if (BLOCKS > 1u) { c1 += x * mat4x4f(subgroupShuffle(y0, 1u), subgroupShuffle(y1, 1u), subgroupShuffle(y2, 1u), subgroupShuffle(y3, 1u)); }
      if (BLOCKS > 2u) { c2 += x * mat4x4f(subgroupShuffle(y0, 2u), subgroupShuffle(y1, 2u), subgroupShuffle(y2, 2u), subgroupShuffle(y3, 2u)); }
      if (BLOCKS > 3u) { c3 += x * mat4x4f(subgroupShuffle(y0, 3u), subgroupShuffle(y1, 3u), subgroupShuffle(y2, 3u), subgroupShuffle(y3, 3u)); }
      if (BLOCKS > 4u) { c4 += x * mat4x4f(subgroupShuffle(y0, 4u), subgroupShuffle(y1, 4u), subgroupShuffle(y2, 4u), subgroupShuffle(y3, 4u)); }
      if (BLOCKS > 5u) { c5 += x * mat4x4f(subgroupShuffle(y0, 5u), subgroupShuffle(y1, 5u), subgroupShuffle(y2, 5u), subgroupShuffle(y3, 5u)); }
      if (BLOCKS > 6u) { c6 += x * mat4x4f(subgroupShuffle(y0, 6u), subgroupShuffle(y1, 6u), subgroupShuffle(y2, 6u), subgroupShuffle(y3, 6u)); }
      if (BLOCKS > 7u) { c7 += x * mat4x4f(subgroupShuffle(y0, 7u), subgroupShuffle(y1, 7u), subgroupShuffle(y2, 7u), subgroupShuffle(y3, 7u)); }
    }
    if (COLUMN_SUMS && LONG) {
      column_sums_of_parts += column_sums;
      column_sums = mat4x4f();
    }
    // The blocks are shifted one by one to where they are stored, in loops whose lengths the compiler does not know: 32 unrolled
    // stores take longer to compile than all the rest.
    let last = min(column + 4u * BLOCKS, p.n);
    let c_at = (slice * p.products + z - p.first_of_c) * p.m * p.n;
    let bias_at = z / p.bias_share * p.n;
    for (var n = column; n < last; n += 4u) {
      var lines = transpose(c0);
      for (var m = row; m < min(row + 4u, p.m); m++) {
        store(c_at + m * p.n, bias_at, n, lines[0], !LONG || first == begin, !LONG || part_end == end);
        lines = mat4x4f(lines[1], lines[2], lines[3], lines[3]);
      }
      c0 = c1; c1 = c2; c2 = c3; c3 = c4; c4 = c5; c5 = c6; c6 = c7;
    }
    if (!LONG || part_end == end) { break; }
  }
  if (COLUMN_SUMS && LONG) { column_sums = column_sums_of_parts; }
  if (COLUMN_SUMS && group.y == 0u && lane < BLOCKS) { // several subgroups of a workgroup, and dispatches of other rows, write the same values
    for (var i = 0u; i < min(4u, p.n - min(column + 4u * lane, p.n)); i++) {
      sums[z * p.n + column + 4u * lane + i] = dot(column_sums[0], vec4f(1.0));
      column_sums = mat4x4f(column_sums[1], column_sums[2], column_sums[3], column_sums[3]);
    }
  }
}
