// Rung 6: two blocks of b per lane, 64 columns: twelve loads per 1024 multiply-adds, a fourth less than rung 5. It gains almost nothing:
// loads are no longer the limit. The engine uses 32 columns, which gives small matrices more workgroups and compiles in half the time.
enable subgroups;
struct Params { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
override LANES = 32u; // the adapter's widest subgroup

// Lines `at`, `at` + `step`, .. of a matrix, transposed in registers, which costs nothing.
fn block_of_a(at: u32, step: u32) -> mat4x4f {
  return transpose(mat4x4f(a[at], a[at + step], a[at + 2u * step], a[at + 3u * step]));
}
fn block_of_b(at: u32, step: u32) -> mat4x4f {
  return transpose(mat4x4f(b[at], b[at + step], b[at + 2u * step], b[at + 3u * step]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let columns = p.n / 4u;
  let steps = p.k / 4u;
  let row = min((group.y * LANES + local) * 4u, p.m - 4u); // lanes past the end compute the last rows again
  let first = group.x * 16u;
  let column = first + lane % 8u;
  var c0 = mat4x4f(); var c1 = mat4x4f(); var c2 = mat4x4f(); var c3 = mat4x4f();
  var c4 = mat4x4f(); var c5 = mat4x4f(); var c6 = mat4x4f(); var c7 = mat4x4f();
  var d0 = mat4x4f(); var d1 = mat4x4f(); var d2 = mat4x4f(); var d3 = mat4x4f();
  var d4 = mat4x4f(); var d5 = mat4x4f(); var d6 = mat4x4f(); var d7 = mat4x4f();
  for (var k = 0u; k < steps; k++) {
    let x = block_of_a(row * steps + k, steps);
    let y = block_of_b(4u * k * columns + column, columns);
    c0 += x * mat4x4f(subgroupShuffle(y[0], 0u), subgroupShuffle(y[1], 0u), subgroupShuffle(y[2], 0u), subgroupShuffle(y[3], 0u));
    c1 += x * mat4x4f(subgroupShuffle(y[0], 1u), subgroupShuffle(y[1], 1u), subgroupShuffle(y[2], 1u), subgroupShuffle(y[3], 1u));
    c2 += x * mat4x4f(subgroupShuffle(y[0], 2u), subgroupShuffle(y[1], 2u), subgroupShuffle(y[2], 2u), subgroupShuffle(y[3], 2u));
    c3 += x * mat4x4f(subgroupShuffle(y[0], 3u), subgroupShuffle(y[1], 3u), subgroupShuffle(y[2], 3u), subgroupShuffle(y[3], 3u));
    c4 += x * mat4x4f(subgroupShuffle(y[0], 4u), subgroupShuffle(y[1], 4u), subgroupShuffle(y[2], 4u), subgroupShuffle(y[3], 4u));
    c5 += x * mat4x4f(subgroupShuffle(y[0], 5u), subgroupShuffle(y[1], 5u), subgroupShuffle(y[2], 5u), subgroupShuffle(y[3], 5u));
    c6 += x * mat4x4f(subgroupShuffle(y[0], 6u), subgroupShuffle(y[1], 6u), subgroupShuffle(y[2], 6u), subgroupShuffle(y[3], 6u));
    c7 += x * mat4x4f(subgroupShuffle(y[0], 7u), subgroupShuffle(y[1], 7u), subgroupShuffle(y[2], 7u), subgroupShuffle(y[3], 7u));
    let z = block_of_b(4u * k * columns + column + 8u, columns);
    d0 += x * mat4x4f(subgroupShuffle(z[0], 0u), subgroupShuffle(z[1], 0u), subgroupShuffle(z[2], 0u), subgroupShuffle(z[3], 0u));
    d1 += x * mat4x4f(subgroupShuffle(z[0], 1u), subgroupShuffle(z[1], 1u), subgroupShuffle(z[2], 1u), subgroupShuffle(z[3], 1u));
    d2 += x * mat4x4f(subgroupShuffle(z[0], 2u), subgroupShuffle(z[1], 2u), subgroupShuffle(z[2], 2u), subgroupShuffle(z[3], 2u));
    d3 += x * mat4x4f(subgroupShuffle(z[0], 3u), subgroupShuffle(z[1], 3u), subgroupShuffle(z[2], 3u), subgroupShuffle(z[3], 3u));
    d4 += x * mat4x4f(subgroupShuffle(z[0], 4u), subgroupShuffle(z[1], 4u), subgroupShuffle(z[2], 4u), subgroupShuffle(z[3], 4u));
    d5 += x * mat4x4f(subgroupShuffle(z[0], 5u), subgroupShuffle(z[1], 5u), subgroupShuffle(z[2], 5u), subgroupShuffle(z[3], 5u));
    d6 += x * mat4x4f(subgroupShuffle(z[0], 6u), subgroupShuffle(z[1], 6u), subgroupShuffle(z[2], 6u), subgroupShuffle(z[3], 6u));
    d7 += x * mat4x4f(subgroupShuffle(z[0], 7u), subgroupShuffle(z[1], 7u), subgroupShuffle(z[2], 7u), subgroupShuffle(z[3], 7u));
  }
  // A loop stores c0 and shifts the other blocks down. Unrolled, the stores take longer to compile than the rest of the kernel.
  for (var j = first; j < min(first + 16u, columns); j++) {
    let lines = transpose(c0);
    let at = row * columns + j;
    c[at] = lines[0]; c[at + columns] = lines[1]; c[at + 2u * columns] = lines[2]; c[at + 3u * columns] = lines[3];
    c0 = c1; c1 = c2; c2 = c3; c3 = c4; c4 = c5; c5 = c6; c6 = c7; c7 = d0;
    d0 = d1; d1 = d2; d2 = d3; d3 = d4; d4 = d5; d5 = d6; d6 = d7;
  }
}
