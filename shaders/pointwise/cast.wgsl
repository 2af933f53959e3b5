// y[i] = x[i] as another type. The expression `CAST` and the types `From` and `To` come from src/kernels/pointwise/cast.ts. Memory-bound.
//   x and y [size], replicas folded into size
struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<From>;
@group(0) @binding(2) var<storage, read_write> y: array<To>;

// A float out of range becomes the nearest integer of the type, and NaN becomes 0. Explicit, because drivers convert them differently.
fn to_u32(value: f32) -> u32 {
  if (is_nan(value)) { return 0u; }
  return select(u32(clamp(value, 0.0, 4294967040.0)), 0xffffffffu, value >= 4294967296.0);
}

fn to_i32(value: f32) -> i32 {
  if (is_nan(value)) { return 0; }
  return select(i32(clamp(value, -2147483648.0, 2147483520.0)), 0x7fffffff, value >= 2147483648.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    y[i] = CAST;
  }
}
