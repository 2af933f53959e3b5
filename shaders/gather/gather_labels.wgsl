// The labels of a batch: y[r, b] = labels[order[r, batch_start + b]].
//   labels [total], order [R, total], y [R, batch]
struct Params { batch: u32, total: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * 64u + local;
  if (b >= params.batch) { return; }
  y[group.z * params.batch + b] = labels[order[group.z * params.total + state.batch_start + b]];
}
