// y[r, i] = x[r, i] * factor[r]: the chain rule for a gradient that was computed along with a scalar loss. Memory-bound.
//   R replicas: x and y [R, size], factor [R]
struct Params { size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    let at = group.z * params.size + i;
    y[at] = x[at] * factor[group.z];
  }
}
