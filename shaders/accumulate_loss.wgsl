// Adds a batch's loss to an epoch's running totals where nothing counts hits:
//   totals[r] = (loss sum over samples, unchanged, samples)
// One invocation a model; the batch mean loss is weighted by the batch, so that a short last batch counts as it should.
//   loss [R], totals [R, 4]
struct Params { rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> totals: array<vec4f>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let rows = f32(params.rows);
  totals[group.z] += vec4f(loss[group.z] * rows, 0.0, rows, 0.0);
}
