// matmul: c[m, n] = act(sum_k a(m, k) * b(k, n) + bias[n]), one output an invocation. The reference for every variant.
// Transposed matrices differ only in their strides: a(m, k) = a[m * a_row + k * a_col], likewise b.
//   Z = R replicas x batch products: a [Z, M, K] or [Z, K, M], b [Z, K, N] or [Z, N, K], c [Z, M, N], bias [R, N]. `a_share`,
//   `b_share` and `bias_share` consecutive products share a matrix or bias
// epilogue 1: the activation; 2: the bias binding holds the output of a ReLU, [Z, M, N], and c is 0 where that output is not above 0.
struct Params {
  m: u32, n: u32, k: u32, a_row: u32, a_col: u32, b_row: u32, b_col: u32,
  has_bias: u32, epilogue: u32, first_n: u32, first_m: u32, first: u32, // first column, row and product of the dispatch
  a_share: u32, b_share: u32, bias_share: u32, // then four words for other variants
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let id = group * vec3u(8u, 8u, 1u) + local;
  let n = params.first_n + id.x;
  let m = params.first_m + id.y;
  let z = params.first + id.z;
  if (m >= params.m || n >= params.n) { return; }
  let a_at = z / params.a_share * params.m * params.k + m * params.a_row;
  let b_at = z / params.b_share * params.k * params.n + n * params.b_col;
  // Three levels of summation (see long-sums.ts).
  var sum = 0.0;
  for (var k0 = 0u; k0 < params.k; k0 += 65536u) {
    var part = 0.0;
    for (var k1 = k0; k1 < min(k0 + 65536u, params.k); k1 += 256u) {
      var terms = 0.0;
      for (var k = k1; k < min(k1 + 256u, params.k); k++) {
        terms += a[a_at + k * params.a_col] * b[b_at + k * params.b_row];
      }
      part += terms;
    }
    sum += part;
  }
  if (params.has_bias != 0u) { sum += bias[z / params.bias_share * params.n + n]; }
  let at = (z * params.m + m) * params.n + n;
  var mask = sum;
  if (params.epilogue == 2u) { mask = bias[at]; }
  c[at] = apply_epilogue(sum, mask, params.epilogue);
}
