// Put after matmul_subgroup.wgsl, which stores four neighbors of a row at once, for rows whose length is a multiple of four.
@group(0) @binding(6) var<storage, read_write> c: array<vec4f>;

// Loads four values; `count` is 4 or more.
fn load_c(at: u32, count: u32) -> vec4f {
  return c[at / 4u];
}

// Stores four values; `count` is 4 or more.
fn store_c(at: u32, value: vec4f, count: u32) {
  c[at / 4u] = value;
}
