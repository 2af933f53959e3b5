// Put after matmul_subgroup.wgsl, which stores four neighbors of a row at once, for rows that may end within the four.
@group(0) @binding(6) var<storage, read_write> c: array<f32>;

// Loads the first `count` values.
fn load_c(at: u32, count: u32) -> vec4f {
  var value = vec4f(c[at], 0.0, 0.0, 0.0);
  if (count > 1u) { value.y = c[at + 1u]; }
  if (count > 2u) { value.z = c[at + 2u]; }
  if (count > 3u) { value.w = c[at + 3u]; }
  return value;
}

// Stores the first `count` values.
fn store_c(at: u32, value: vec4f, count: u32) {
  c[at] = value.x;
  if (count > 1u) { c[at + 1u] = value.y; }
  if (count > 2u) { c[at + 2u] = value.z; }
  if (count > 3u) { c[at + 3u] = value.w; }
}
