// y[row, c] = exp(x[row, c] - max) / sum over c of the same, one row an invocation; the maximum keeps exp from overflowing.
//   models folded into the rows: x and y [rows, C]
struct Params { rows: u32, classes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let first = row * params.classes;
  var top = x[first];
  for (var c = 1u; c < params.classes; c++) { top = max(top, x[first + c]); }
  var sum = 0.0;
  for (var c = 0u; c < params.classes; c++) {
    let e = exp(x[first + c] - top);
    y[first + c] = e;
    sum += e;
  }
  for (var c = 0u; c < params.classes; c++) { y[first + c] /= sum; }
}
