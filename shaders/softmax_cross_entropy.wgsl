// Softmax, cross-entropy, its gradient and the hit count in one pass over the logits, one row an invocation:
//   loss[row]       = log(sum_c exp(x[c] - max)) + max - x[label]
//   hit[row]        = 1 if the first largest logit is the label's, else 0
//   dlogits[row, c] = (softmax(x)[c] - (c == label)) / rows      the gradient of the mean loss
//   a label that is no class: loss and dlogits of its row are NaN, its hit is 0
//   models folded into the rows of the arrays; `rows` is that of one model, by which the mean divides
struct Params { all_rows: u32, rows: u32, classes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> hit: array<f32>;
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.all_rows) { return; }
  let first = row * params.classes;
  let label = labels[row];
  if (label >= params.classes) {
    let nan = bitcast<f32>(label | 0x7fc00000u); // not a constant, which WGSL would refuse
    loss[row] = nan;
    hit[row] = 0.0;
    for (var c = 0u; c < params.classes; c++) { dlogits[first + c] = nan; }
    return;
  }
  var top = logits[first];
  var top_at = 0u;
  for (var c = 1u; c < params.classes; c++) {
    let value = logits[first + c];
    if (value > top) {
      top = value;
      top_at = c;
    }
  }
  var sum = 0.0;
  for (var c = 0u; c < params.classes; c++) {
    let e = exp(logits[first + c] - top);
    dlogits[first + c] = e;
    sum += e;
  }
  // x[label] - max first: both may be large, their difference is what matters.
  loss[row] = log(sum) - (logits[first + label] - top);
  hit[row] = select(0.0, 1.0, top_at == label);
  let rows = f32(params.rows);
  for (var c = 0u; c < params.classes; c++) {
    dlogits[first + c] = (dlogits[first + c] / sum - select(0.0, 1.0, c == label)) / rows;
  }
}
