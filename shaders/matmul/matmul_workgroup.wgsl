// matmul: c[m, n] = act(sum_k a(m, k) * b(k, n) + bias[n]), for GPUs. Compute-bound.
// A workgroup of 16 x 16 invocations computes a tile of 64 x 64, each invocation 4 x 4 of it, in steps of 16 along k. Fast
// because the parts of a and b for a step are loaded once into workgroup memory, where each value is used 64 times, and each value
// read from there is used four times in registers. Neighboring invocations load neighbors in memory, for both layouts of a matrix.
// Rows and columns past the end load the last ones again and are not stored; terms past the end load the last one again and count as
// zeros. So neither the loads nor the inner loop have branches: some drivers wait for each load in a branch before the next.
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
  products: u32, slices: u32, slice_length: u32,
  first_of_c: u32, // product at which c begins
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

// [k][row or column]; a row has one more vec4, so that transposing stores use different banks.
var<workgroup> tile_a: array<array<vec4f, 17>, 16>;
var<workgroup> tile_b: array<array<vec4f, 17>, 16>;

const FOUR = vec4u(0u, 1u, 2u, 3u);

fn store(z: u32, slice: u32, row: u32, column: u32, value: vec4f) {
  if (row >= params.m) { return; }
  let at = ((slice * params.products + z - params.first_of_c) * params.m + row) * params.n + column;
  let bias_at = z / params.bias_share * params.n + column;
  for (var i = 0u; i < min(4u, params.n - min(column, params.n)); i++) {
    var v = value[i];
    if (params.has_bias != 0u) { v += bias[bias_at + i]; }
    var mask = v;
    if (params.epilogue == 2u) { mask = bias[at + i]; }
    c[at + i] = apply_epilogue(v, mask, params.epilogue);
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let z = p.first + group.z / p.slices;
  let slice = group.z % p.slices;
  let a_at = z / p.a_share * p.m * p.k;
  let b_at = z / p.b_share * p.k * p.n;
  let tile_column = local % 16u;
  let tile_row = local / 16u;
  // An invocation loads four values at one k of each tile. Neighbors load along the contiguous axis of the matrix.
  let ka = select(tile_row, tile_column, p.a_col == 1u);
  let kb = select(tile_row, tile_column, p.b_row == 1u);
  let qa = select(tile_column, tile_row, p.a_col == 1u);
  let qb = select(tile_column, tile_row, p.b_row == 1u);
  let tile_m = p.first_m + group.y * 64u;
  let tile_n = p.first_n + group.x * 64u;
  let rows = a_at + min(tile_m + qa * 4u + FOUR, vec4u(p.m - 1u)) * p.a_row;
  let columns = b_at + min(tile_n + qb * 4u + FOUR, vec4u(p.n - 1u)) * p.b_col;
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  let begin = slice * p.slice_length;
  let end = min(p.k, (slice + 1u) * p.slice_length);
  for (var k = begin; k < end; k += 16u) {
    let i = rows + min(k + ka, p.k - 1u) * p.a_col;
    let j = columns + min(k + kb, p.k - 1u) * p.b_row;
    let x = vec4f(a[i.x], a[i.y], a[i.z], a[i.w]);
    let y = vec4f(b[j.x], b[j.y], b[j.z], b[j.w]);
    tile_a[ka][qa] = select(vec4f(), x, k + ka < end); // both zero past the end, because the value loaded again may be infinite
    tile_b[kb][qb] = select(vec4f(), y, k + kb < end);
    workgroupBarrier();
    for (var j = 0u; j < 16u; j++) {
      let x = tile_a[j][tile_row];
      let y = tile_b[j][tile_column];
      c0 = fma(vec4f(x.x), y, c0);
      c1 = fma(vec4f(x.y), y, c1);
      c2 = fma(vec4f(x.z), y, c2);
      c3 = fma(vec4f(x.w), y, c3);
    }
    workgroupBarrier();
    if (LONG && (k - begin) % 256u == 240u) {
      s0 += c0; s1 += c1; s2 += c2; s3 += c3;
      c0 = vec4f(); c1 = vec4f(); c2 = vec4f(); c3 = vec4f();
    }
  }
  if (LONG) { c0 += s0; c1 += s1; c2 += s2; c3 += s3; }
  let row = tile_m + tile_row * 4u;
  let column = tile_n + tile_column * 4u;
  store(z, slice, row, column, c0);
  store(z, slice, row + 1u, column, c1);
  store(z, slice, row + 2u, column, c2);
  store(z, slice, row + 3u, column, c3);
}
