// Adds a batch to an epoch's running totals, so that training reads nothing back:
//   totals[r] = (loss sum over samples, hits, samples)
// One invocation a model; the batch mean loss is weighted by the batch, so that a short last batch counts as it should.
//   loss [R], hit [R, rows], totals [R, 4]
struct Params { rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> loss: array<f32>;
@group(0) @binding(2) var<storage, read> hit: array<f32>;
@group(0) @binding(3) var<storage, read_write> totals: array<vec4f>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let model = group.z;
  var hits = 0.0;
  for (var row = 0u; row < params.rows; row++) { hits += hit[model * params.rows + row]; }
  let rows = f32(params.rows);
  totals[model] += vec4f(loss[model] * rows, hits, rows, 0.0);
}
