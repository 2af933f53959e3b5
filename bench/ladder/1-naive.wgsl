// Rung 1: one output per invocation, straight from the formula c[m, n] = sum_k a[m, k] b[k, n].
// Two loads per multiply-add: all later rungs reduce the loads.
struct Params { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= p.m || id.x >= p.n) { return; }
  var sum = 0.0;
  for (var k = 0u; k < p.k; k++) { sum += a[id.y * p.k + k] * b[k * p.n + id.x]; }
  c[id.y * p.n + id.x] = sum;
}
