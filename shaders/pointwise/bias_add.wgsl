// y[i, c] = x[i, c] + bias[c]. Memory-bound.
//   R replicas: x and y [R, rows, C], bias [R, C]
struct Params { rows: u32, channels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let size = params.rows * params.channels;
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < size; i += stride) {
    let at = group.z * size + i;
    y[at] = x[at] + bias[group.z * params.channels + i % params.channels];
  }
}
