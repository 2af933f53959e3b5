// Adds a batch to a confusion matrix: counts[r, first + actual * C + predicted] grows by one for each row. Whole numbers, so the order
// of the atomic additions does not matter. A row without an actual or predicted class is not counted.
// One row an invocation. Memory-bound.
//   actual, predicted [R, rows], counts [R, words]
struct Params { rows: u32, classes: u32, first: u32, words: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> actual: array<u32>;
@group(0) @binding(2) var<storage, read> predicted: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= p.rows) { return; }
  let a = actual[group.z * p.rows + row];
  let b = predicted[group.z * p.rows + row];
  if (a < p.classes && b < p.classes) { atomicAdd(&counts[group.z * p.words + p.first + a * p.classes + b], 1u); }
}
