// dx = dy where the output of relu is positive (or NaN), else 0; at 0 the gradient is 0. Four elements an invocation.
// Memory-bound.   y: the output of relu
struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    var value = select(dy[i], vec4f(0.0), is_at_most_zero(y[i]));
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(dx[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    dx[i] = value;
  }
}
