// Adds a batch to an epoch's running totals (running_totals.wgsl), so that training reads nothing back: its loss, its samples and
// how many of them are hits. A workgroup a replica: each of its invocations counts the hits of every 256th row. Whole numbers, so the order of
// the atomic additions does not matter.
//   loss [R], hit [R, rows], totals [R]
struct Params { rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> hit: array<f32>;

var<workgroup> hits: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let replica = group.z;
  var count = 0u;
  for (var row = local; row < params.rows; row += 256u) { count += u32(hit[replica * params.rows + row]); }
  atomicAdd(&hits, count);
  workgroupBarrier();
  if (local == 0u) { add_batch(replica, params.rows, atomicLoad(&hits)); }
}
