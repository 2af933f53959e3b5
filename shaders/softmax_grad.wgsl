// Gradient of softmax, from its output: dx[c] = y[c] * (dy[c] - sum_j dy[j] * y[j]), one row an invocation.
//   models folded into the rows: y, dy and dx [rows, C]
struct Params { rows: u32, classes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let first = row * params.classes;
  var inner = 0.0;
  for (var c = 0u; c < params.classes; c++) { inner += dy[first + c] * y[first + c]; }
  for (var c = 0u; c < params.classes; c++) { dx[first + c] = y[first + c] * (dy[first + c] - inner); }
}
