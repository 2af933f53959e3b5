// Copies a batch's results to their rows among those of all samples: result[(batch_start + b) % capacity, i] = y[b, i].
// The capacity is a multiple of the batch, so that a batch never wraps around. Memory-bound.
//   R replicas: y [R, batch, columns], result [R, capacity, columns]
struct Params { size: u32, columns: u32, capacity: u32 } // size: elements of y of one replica
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> state: StepState;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let first = (group.z * params.capacity + state.batch_start % params.capacity) * params.columns;
  let base = group.z * params.size;
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    result[first + i] = y[base + i];
  }
}
