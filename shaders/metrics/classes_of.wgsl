// The predicted class of a row of values: the first largest value; for rows of one value, 1 above the threshold, else 0; 0xffffffff for
// a row with a NaN. One row an invocation. Memory-bound.
//   replicas folded into the rows: values [rows, C], class [rows]
struct Params { rows: u32, columns: u32, threshold: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> class_at: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let first = row * params.columns;
  var top = values[first];
  var top_at = select(0u, 1u, params.columns == 1u && top > params.threshold);
  var missing = is_nan(top);
  for (var c = 1u; c < params.columns; c++) {
    let value = values[first + c];
    missing = missing || is_nan(value);
    if (value > top) {
      top = value;
      top_at = c;
    }
  }
  class_at[row] = select(top_at, 0xffffffffu, missing);
}
