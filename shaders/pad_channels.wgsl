// Channels padded with zeros to a multiple of four, so that kernels load and store whole vec4: y[row, c] = x[row, c] or 0.
// Memory-bound.   models folded into the rows: x [rows, C], y [rows, ceil(C / 4)] vec4
struct Params { rows: u32, channels: u32, channels4: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= params.rows * params.channels4) { return; }
  let first = i % params.channels4 * 4u;
  let at = i / params.channels4 * params.channels + first;
  let left = params.channels - first;
  var v = vec4f(x[at], 0.0, 0.0, 0.0);
  if (left > 1u) { v.y = x[at + 1u]; }
  if (left > 2u) { v.z = x[at + 2u]; }
  if (left > 3u) { v.w = x[at + 3u]; }
  y[i] = v;
}
