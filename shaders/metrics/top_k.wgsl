// Counts the rows whose label is among the k largest outputs: counts[r, at] grows by one for each row in which fewer than k outputs
// are larger than the label's, so equal outputs share a rank, as in TensorFlow's in_top_k. A row with a NaN, or with a label that is not
// a class, does not count. Whole numbers, so the order of the atomic additions does not matter. One row an invocation. Memory-bound.
//   output [R, rows, C], labels [R, rows], counts [R, words]
struct Params { rows: u32, classes: u32, k: u32, at: u32, words: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= p.rows) { return; }
  let label = labels[group.z * p.rows + row];
  if (label >= p.classes) { return; }
  let first = (group.z * p.rows + row) * p.classes;
  let label_output = output[first + label];
  var larger = 0u;
  var missing = false;
  for (var c = 0u; c < p.classes; c++) {
    let value = output[first + c];
    missing = missing || is_nan(value);
    larger += select(0u, 1u, value > label_output);
  }
  if (!missing && larger < p.k) { atomicAdd(&counts[group.z * p.words + p.at], 1u); }
}
