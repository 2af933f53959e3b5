// Softmax, cross-entropy, its gradient, the hits and the mean loss in one pass over the logits:
//   loss[group]     = sum over its rows of (log(sum_c exp(x[c] - max)) + max - x[label]) / rows: their sum is the mean loss
//   hit[row]        = 1 if the first largest logit is the label's, else 0; 0 for a row with NaN
//   dlogits[row, c] = (softmax(x)[c] - (c == label)) / rows      the gradient of the mean loss
//   a label that is not a class: its row's loss and dlogits are NaN, its hit is 0
// One class at the maximum is left out of the sum (see log_softmax.wgsl): if the label's logit is by far the largest, the loss is log(1 + rest)
// and the gradient -rest / sum, where the differences above would cancel.
// A workgroup handles 64 * rows_per_invocation rows, an invocation every 64th of them: small batches need no second pass over their losses.
// Memory-bound.
//   R replicas: logits and dlogits [R, rows, classes], labels and hit [R, rows], loss [R, groups]
struct Params { rows: u32, classes: u32, rows_per_invocation: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> hit: array<f32>;
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;

var<workgroup> losses: array<f32, 64>;

// The loss of one row; writes its hit and gradient.
fn row_loss(row: u32) -> f32 {
  let first = row * params.classes;
  let label = labels[row];
  if (label >= params.classes) {
    let nan = bitcast<f32>(label | 0x7fc00000u); // not a constant, because WGSL rejects a constant NaN
    hit[row] = 0.0;
    for (var c = 0u; c < params.classes; c++) { dlogits[first + c] = nan; }
    return nan;
  }
  var top = logits[first];
  var top_at = 0u;
  var missing = is_nan(top);
  for (var c = 1u; c < params.classes; c++) {
    let value = logits[first + c];
    missing = missing || is_nan(value);
    if (value > top) {
      top = value;
      top_at = c;
    }
  }
  var ties = 0u;
  var exponentials = Sum();
  for (var c = 0u; c < params.classes; c++) {
    let d = logits[first + c] - top;
    let e = exp(d);
    dlogits[first + c] = e;
    ties += select(0u, 1u, is_zero(d));
    add_term(&exponentials, select(e, 0.0, is_zero(d)));
  }
  let below = total_of(exponentials);
  let sum = f32(ties) + below;
  // x[label] - max first: both may be large, and only their difference matters.
  let behind = logits[first + label] - top;
  let label_slope = select(exp(behind) / sum - 1.0, -beyond_top(ties, below) / sum, is_zero(behind));
  hit[row] = select(0.0, 1.0, !missing && top_at == label);
  let rows = f32(params.rows);
  for (var c = 0u; c < params.classes; c++) {
    dlogits[first + c] = select(dlogits[first + c] / sum, label_slope, c == label) / rows;
  }
  return log_of_sum(ties, below) - behind;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  var total = 0.0;
  for (var i = 0u; i < params.rows_per_invocation; i++) {
    let row = (group.x * params.rows_per_invocation + i) * 64u + local;
    if (row < params.rows) { total += row_loss(group.z * params.rows + row); }
  }
  losses[local] = total;
  workgroupBarrier();
  if (local != 0u) { return; }
  var sum = 0.0;
  for (var i = 0u; i < 64u; i++) { sum += losses[i]; }
  loss[group.z * groups.x + group.x] = sum / f32(params.rows);
}
