// y = a + b, element by element, four an invocation. Memory-bound.
struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    var value = a[i] + b[i];
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(y[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    y[i] = value;
  }
}
