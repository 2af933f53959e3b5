// hit[row] = 1 if the row's one output is above the threshold and its target is 1, or not above it and its target is 0; else 0.
// The hit of a NaN is 0. One row an invocation. Memory-bound.
//   replicas folded into the rows: output, target and hit [rows]
struct Params { rows: u32, threshold: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> goal: array<f32>;
@group(0) @binding(3) var<storage, read_write> hit: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let y = output[row];
  let predicted = select(0.0, 1.0, y > params.threshold);
  hit[row] = select(0.0, 1.0, !is_nan(y) && predicted == goal[row]);
}
