// hit[row] = 1 if the first largest output of the row is the label's, else 0; 0 for a row with NaN. One row an invocation.
// Memory-bound.   replicas folded into the rows: output [rows, C], labels and hit [rows]
struct Params { rows: u32, classes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> hit: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let first = row * params.classes;
  var top = output[first];
  var top_at = 0u;
  var missing = is_nan(top);
  for (var c = 1u; c < params.classes; c++) {
    let value = output[first + c];
    missing = missing || is_nan(value);
    if (value > top) {
      top = value;
      top_at = c;
    }
  }
  hit[row] = select(0.0, 1.0, !missing && top_at == labels[row]);
}
