// Adds a batch to an epoch's running totals (running_totals.wgsl), so that training reads nothing back: its loss, its samples and
// how many of them are hits. One invocation a model.
//   loss [R], hit [R, rows], totals [R]
struct Params { rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> hit: array<f32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let model = group.z;
  var hits = 0u;
  for (var row = 0u; row < params.rows; row++) { hits += u32(hit[model * params.rows + row]); }
  add_batch(model, params.rows, hits);
}
