// Adds a batch's loss to an epoch's running totals (running_totals.wgsl), without hits. One invocation a replica.
//   loss [R], totals [R]
struct Params { rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  add_batch(group.z, params.rows, 0u);
}
