// Rung 2: the next step of every GPU tutorial. 16 x 16 invocations keep tiles of a and b in workgroup memory and use each value 16 times.
// Global loads fall to a sixteenth. A software adapter has no fast workgroup memory: loads are as slow as before, and barriers cost time.
struct Params { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
var<workgroup> tile_a: array<array<f32, 16>, 16>;
var<workgroup> tile_b: array<array<f32, 16>, 16>;

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  var sum = 0.0;
  for (var k = 0u; k < p.k; k += 16u) {
    tile_a[local.y][local.x] = a[id.y * p.k + k + local.x];
    tile_b[local.y][local.x] = b[(k + local.y) * p.n + id.x];
    workgroupBarrier();
    for (var i = 0u; i < 16u; i++) { sum += tile_a[local.y][i] * tile_b[i][local.x]; }
    workgroupBarrier();
  }
  c[id.y * p.n + id.x] = sum;
}
