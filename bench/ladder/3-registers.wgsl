// Rung 3: 4 rows x 4 columns per invocation, in registers; b is loaded as vec4. No workgroup memory, no barriers.
// A vec4 of b is used for four rows, and a value of a for four columns: five loads (eight values) per sixteen multiply-adds.
struct Params { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let columns = p.n / 4u;
  let row = id.y * 4u;
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  for (var k = 0u; k < p.k; k++) {
    let line = b[k * columns + id.x];
    c0 += a[row * p.k + k] * line;
    c1 += a[(row + 1u) * p.k + k] * line;
    c2 += a[(row + 2u) * p.k + k] * line;
    c3 += a[(row + 3u) * p.k + k] * line;
  }
  c[row * columns + id.x] = c0;
  c[(row + 1u) * columns + id.x] = c1;
  c[(row + 2u) * columns + id.x] = c2;
  c[(row + 3u) * columns + id.x] = c3;
}
