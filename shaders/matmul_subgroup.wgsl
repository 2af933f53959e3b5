// matmul: c[m, n] = act(sum_k a(m, k) * b(k, n) + bias[n]), for sizes that are multiples of four where it loads vec4.
// An invocation computes eight rows by four columns, the lanes of a workgroup lie along the columns. Faster than the
// reference because
//   - all lanes want the same 8 x 4 values of a, so each of eight lanes loads one vec4 of them and broadcasts hand them
//     round: one load instead of eight;
//   - each vec4 of b it loads meets eight rows in registers.
//   Z = models x batch products: a [Z, M, K] (TRANSPOSE_A: [Z, K, M]), b [Z, K, N] (TRANSPOSE_B: [Z, N, K]), c [Z, M, N],
//   bias [models, N]; where `a_share` (or b's, the bias's) is above 1, so many products have that matrix in common
enable subgroups;

override TRANSPOSE_A = false; // never together with TRANSPOSE_B
override TRANSPOSE_B = false;
override LANES = 32u; // the adapter's widest subgroup

struct Params {
  m: u32, n: u32, k: u32, has_bias: u32, relu: u32, first: u32, a_share: u32, b_share: u32, bias_share: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

var<private> c0: vec4f; var<private> c1: vec4f; var<private> c2: vec4f; var<private> c3: vec4f;
var<private> c4: vec4f; var<private> c5: vec4f; var<private> c6: vec4f; var<private> c7: vec4f;

// One k: the column `low`, `high` of a (eight rows) times the row `b` (four columns).
fn add_outer(low: vec4f, high: vec4f, b: vec4f) {
  c0 += low.x * b; c1 += low.y * b; c2 += low.z * b; c3 += low.w * b;
  c4 += high.x * b; c5 += high.y * b; c6 += high.z * b; c7 += high.w * b;
}

// The same for four k at once: lane i brings row i of a at k .. k + 3, the columns of `b` are its rows k .. k + 3.
fn add_rows(mine: vec4f, b: mat4x4f) {
  c0 += b * subgroupBroadcast(mine, 0u);
  c1 += b * subgroupBroadcast(mine, 1u);
  c2 += b * subgroupBroadcast(mine, 2u);
  c3 += b * subgroupBroadcast(mine, 3u);
  c4 += b * subgroupBroadcast(mine, 4u);
  c5 += b * subgroupBroadcast(mine, 5u);
  c6 += b * subgroupBroadcast(mine, 6u);
  c7 += b * subgroupBroadcast(mine, 7u);
}

fn store(z: u32, m: u32, n: u32, value: vec4f) {
  if (m >= params.m) { return; }
  let at = (z * params.m + m) * params.n;
  for (var k = 0u; k < 4u; k++) {
    if (n + k < params.n) {
      var v = value[k];
      if (params.has_bias != 0u) { v += bias[z / params.bias_share * params.n + n + k]; }
      v = select(v, 0.0, params.relu != 0u && v <= 0.0); // this way round NaN stays NaN
      c[at + n + k] = v;
    }
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let p = params;
  let z = p.first + group.z;
  let m = group.y * 8u;
  // Lanes past the last column work along on it, for the broadcasts, and store nothing.
  let n = (group.x * LANES + local) * 4u;
  let a_at = z / p.a_share * (p.m * p.k / 4u);
  let b_at = z / p.b_share * (p.k * p.n / 4u);
  c0 = vec4f(); c1 = vec4f(); c2 = vec4f(); c3 = vec4f();
  c4 = vec4f(); c5 = vec4f(); c6 = vec4f(); c7 = vec4f();
  if (TRANSPOSE_A) {
    // Lanes 2j and 2j + 1 load rows m .. m + 3 and m + 4 .. m + 7 of a at k + j.
    let mine_at = a_at + lane % 8u / 2u * (p.m / 4u) + min(m / 4u + lane % 2u, p.m / 4u - 1u);
    let column = b_at + min(n / 4u, p.n / 4u - 1u);
    for (var k = 0u; k < p.k; k += 4u) {
      let mine = a[mine_at + k * (p.m / 4u)];
      let at = column + k * (p.n / 4u);
      add_outer(subgroupBroadcast(mine, 0u), subgroupBroadcast(mine, 1u), b[at]);
      add_outer(subgroupBroadcast(mine, 2u), subgroupBroadcast(mine, 3u), b[at + p.n / 4u]);
      add_outer(subgroupBroadcast(mine, 4u), subgroupBroadcast(mine, 5u), b[at + 2u * (p.n / 4u)]);
      add_outer(subgroupBroadcast(mine, 6u), subgroupBroadcast(mine, 7u), b[at + 3u * (p.n / 4u)]);
    }
  } else {
    // Lane i loads row m + i of a at k .. k + 3.
    let mine_at = a_at + min(m + lane % 8u, p.m - 1u) * (p.k / 4u);
    if (TRANSPOSE_B) {
      let row0 = b_at + min(n, p.n - 1u) * (p.k / 4u);
      let row1 = b_at + min(n + 1u, p.n - 1u) * (p.k / 4u);
      let row2 = b_at + min(n + 2u, p.n - 1u) * (p.k / 4u);
      let row3 = b_at + min(n + 3u, p.n - 1u) * (p.k / 4u);
      for (var k = 0u; k < p.k / 4u; k++) {
        let rows = mat4x4f(b[row0 + k], b[row1 + k], b[row2 + k], b[row3 + k]);
        add_rows(a[mine_at + k], transpose(rows));
      }
    } else {
      let column = b_at + min(n / 4u, p.n / 4u - 1u);
      for (var k = 0u; k < p.k; k += 4u) {
        let at = column + k * (p.n / 4u);
        let rows = mat4x4f(b[at], b[at + p.n / 4u], b[at + 2u * (p.n / 4u)], b[at + 3u * (p.n / 4u)]);
        add_rows(a[mine_at + k / 4u], rows);
      }
    }
  }
  store(z, m, n, c0);
  store(z, m + 1u, n, c1);
  store(z, m + 2u, n, c2);
  store(z, m + 3u, n, c3);
  store(z, m + 4u, n, c4);
  store(z, m + 5u, n, c5);
  store(z, m + 6u, n, c6);
  store(z, m + 7u, n, c7);
}
