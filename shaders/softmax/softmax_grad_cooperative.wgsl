// Gradient of softmax, or with LOG of its logarithm, from its output, a row a cooperative group (see
// cooperative_workgroup.wgsl and cooperative_subgroup.wgsl), for rows with many classes:
//   dx[c] = y[c] * (dy[c] - sum_j dy[j] * y[j])      LOG: dx[c] = dy[c] - exp(y[c]) * sum_j dy[j]
// Near a class whose probability is near 1, differences are computed as in softmax_grad.wgsl and log_softmax_grad.wgsl. An invocation handles every
// GROUP_SIZE-th class. Sums are added up in a fixed tree. Memory-bound.
//   replicas folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
override LOG = false;

struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// Whether a class with the probability or log-probability y has most of a row.
fn is_near(y: f32) -> bool {
  return !is_nan(y) && y > select(0.5, -0.5, LOG);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let row = group_index(group.y * groups.x + group.x, local);
  let rank = local % GROUP_SIZE;
  let live = row < p.rows; // groups past the end compute row 0 again, because of the barriers, and store nothing
  let o = row / p.inner;
  let first = select(0u, o * p.classes * p.inner + (row - o * p.inner), live);
  var likely = 0.0; // dy of the class near 1; there is at most one
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let at = first + c * p.inner;
    likely += select(0.0, dy[at], is_near(y[at]));
  }
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { likely += exchange_xor(local, likely, distance); }
  var terms = Sum();
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let at = first + c * p.inner;
    if (LOG) { add_term(&terms, select(dy[at], 0.0, is_near(y[at]))); } else { add_term(&terms, (dy[at] - likely) * y[at]); }
  }
  var rest = total_of(terms);
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { rest += exchange_xor(local, rest, distance); }
  if (!live) { return; }
  let sum = likely + rest;
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let at = first + c * p.inner;
    if (LOG) {
      dx[at] = select(dy[at] - exp(y[at]) * sum, -rest - expm1(min(y[at], 0.0)) * sum, is_near(y[at]));
    } else {
      dx[at] = y[at] * ((dy[at] - likely) - rest);
    }
  }
}
