// Softmax, cross-entropy, its gradient and the hits, a row a cooperative group (see cooperative_workgroup.wgsl and
// cooperative_subgroup.wgsl), for rows with many classes:
//   loss[row]       = (log(sum_c exp(x[c] - max)) + max - x[label]) / rows: their sum is the mean loss
//   hit[row]        = 1 if the first largest logit is the label's, else 0; 0 for a row with NaN
//   dlogits[row, c] = (softmax(x)[c] - (c == label)) / rows      the gradient of the mean loss
//   a label that is not a class: its row's loss and dlogits are NaN, its hit is 0
// One class at the maximum is left out of the sum, as in softmax_cross_entropy.wgsl. An invocation handles every GROUP_SIZE-th class. Sums are
// added up in a fixed tree. Memory-bound.
//   R replicas: logits and dlogits [R, rows, classes], labels, hit and loss [R, rows]
struct Params { rows: u32, classes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> hit: array<f32>;
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let index = group_index(group.y * groups.x + group.x, local);
  let rank = local % GROUP_SIZE;
  let live = index < p.rows; // groups past the end compute the replica's first row again, because of the barriers, and store nothing
  let row = group.z * p.rows + select(0u, index, live);
  let first = row * p.classes;
  let label = labels[row];
  let x_label = logits[first + min(label, p.classes - 1u)];
  var top = logits[first + min(rank, p.classes - 1u)];
  for (var c = rank + GROUP_SIZE; c < p.classes; c += GROUP_SIZE) { top = max(top, logits[first + c]); }
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { top = max(top, exchange_xor(local, top, distance)); }
  var exponentials = Sum();
  var ties = 0.0;
  var spoiling = 0.0; // number of logits that prevent a hit: NaN, and earlier ones that are not below the label's
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let value = logits[first + c];
    let d = value - top;
    ties += select(0.0, 1.0, is_zero(d));
    add_term(&exponentials, select(exp(d), 0.0, is_zero(d)));
    spoiling += select(0.0, 1.0, is_nan(value) || (c < label && value >= x_label));
  }
  var below = total_of(exponentials);
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) {
    below += exchange_xor(local, below, distance);
    ties += exchange_xor(local, ties, distance);
    spoiling += exchange_xor(local, spoiling, distance);
  }
  if (!live) { return; }
  let rows = f32(p.rows);
  let sum = ties + below;
  // x[label] - max first: both may be large, and only their difference matters.
  let behind = x_label - top;
  let label_slope = select(exp(behind) / sum - 1.0, -beyond_top(u32(ties), below) / sum, is_zero(behind));
  let missing = label >= p.classes;
  let nan = bitcast<f32>(label | 0x7fc00000u); // not a constant, because WGSL rejects a constant NaN
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let value = select(exp(logits[first + c] - top) / sum, label_slope, c == label) / rows;
    dlogits[first + c] = select(value, nan, missing);
  }
  if (rank != 0u) { return; }
  hit[row] = select(0.0, 1.0, !missing && x_label >= top && spoiling == 0.0);
  loss[row] = select((log_of_sum(u32(ties), below) - behind) / rows, nan, missing);
}
