// Channels in groups of `width` (1 to 4), each in a vec4 whose rest is zero, so that kernels load a group at once:
//   y[row, group].k = x[row, group * width + k]
// Memory-bound.   replicas folded into the rows: x [rows and others, C], y [rows, groups] vec4
struct Params { rows: u32, channels: u32, groups: u32, width: u32, first_row: u32 } // of x
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.rows * p.groups) { return; }
  let row = i / p.groups;
  let first = (i - row * p.groups) * p.width;
  let at = (p.first_row + row) * p.channels + first;
  let count = min(p.width, p.channels - first);
  var v = vec4f(x[at], 0.0, 0.0, 0.0);
  if (count > 1u) { v.y = x[at + 1u]; }
  if (count > 2u) { v.z = x[at + 2u]; }
  if (count > 3u) { v.w = x[at + 3u]; }
  y[i] = v;
}
