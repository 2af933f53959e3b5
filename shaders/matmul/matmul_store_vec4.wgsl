// Put after matmul_subgroup.wgsl, which stores four neighbours of a row at once: here a row's length is a multiple of four.
@group(0) @binding(6) var<storage, read_write> c: array<vec4f>;

// What is there.
fn stored(at: u32, count: u32) -> vec4f {
  return c[at / 4u];
}

// `count` of the values are there.
fn put(at: u32, value: vec4f, count: u32) {
  c[at / 4u] = value;
}
