// Rung 4: 8 rows x 4 columns, four k at once; a is read as vec4 along k. All lanes need the same eight vec4s of a. Lane i loads only the
// i-th, and broadcasts it to the others, which costs only a few multiply-adds: five loads per 128 multiply-adds.
enable subgroups;
struct Params { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
override LANES = 32u; // the adapter's widest subgroup

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let columns = p.n / 4u;
  let steps = p.k / 4u;
  let column = min(group.x * LANES + local, columns - 1u); // lanes past the end compute the last column again
  let row = group.y * 8u;
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  for (var k = 0u; k < steps; k++) {
    let at = 4u * k * columns + column;
    let lines = mat4x4f(b[at], b[at + columns], b[at + 2u * columns], b[at + 3u * columns]);
    let mine = a[(row + lane % 8u) * steps + k];
    c0 += lines * subgroupBroadcast(mine, 0u);
    c1 += lines * subgroupBroadcast(mine, 1u);
    c2 += lines * subgroupBroadcast(mine, 2u);
    c3 += lines * subgroupBroadcast(mine, 3u);
    c4 += lines * subgroupBroadcast(mine, 4u);
    c5 += lines * subgroupBroadcast(mine, 5u);
    c6 += lines * subgroupBroadcast(mine, 6u);
    c7 += lines * subgroupBroadcast(mine, 7u);
  }
  let at = row * columns + column;
  c[at] = c0; c[at + columns] = c1; c[at + 2u * columns] = c2; c[at + 3u * columns] = c3;
  c[at + 4u * columns] = c4; c[at + 5u * columns] = c5; c[at + 6u * columns] = c6; c[at + 7u * columns] = c7;
}
