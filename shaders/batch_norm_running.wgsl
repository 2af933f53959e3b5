// Running statistics, in place: running += (batch - running) * (1 - momentum), for means and variances. Memory-bound.
//   models folded into size: all four [R * C]
struct Params { size: u32, rest: f32 } // rest = 1 - momentum, from the host: in f32 the difference would lose digits
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> running_variance: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= params.size) { return; }
  running_mean[i] += (mean[i] - running_mean[i]) * params.rest;
  running_variance[i] += (variance[i] - running_variance[i]) * params.rest;
}
