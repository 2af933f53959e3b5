// Softmax, or with LOG its logarithm, a row a cooperative group (see cooperative_workgroup.wgsl and
// cooperative_subgroup.wgsl), for rows with many classes:
//   y[c] = exp(x[c] - max) / sum over c of the same      LOG: y[c] = x[c] - max - log(sum over c of exp(x[c] - max))
// One class at the maximum is left out of the logarithm's sum (see log_softmax.wgsl). An invocation handles every GROUP_SIZE-th class, so
// neighbors load neighbors in memory. Sums are added up in a fixed tree. Memory-bound.
//   replicas folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
override LOG = false;

struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let row = group_index(group.y * groups.x + group.x, local);
  let rank = local % GROUP_SIZE;
  let live = row < p.rows; // groups past the end compute row 0 again, because of the barriers, and store nothing
  let o = row / p.inner;
  let first = select(0u, o * p.classes * p.inner + (row - o * p.inner), live);
  var top = x[first + min(rank, p.classes - 1u) * p.inner];
  for (var c = rank + GROUP_SIZE; c < p.classes; c += GROUP_SIZE) { top = max(top, x[first + c * p.inner]); }
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { top = max(top, exchange_xor(local, top, distance)); }
  var exponentials = Sum(); // of all classes; with LOG, of the classes below the maximum
  var ties = 0.0;
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let d = x[first + c * p.inner] - top;
    let tie = LOG && is_zero(d);
    ties += select(0.0, 1.0, tie);
    add_term(&exponentials, select(exp(d), 0.0, tie));
  }
  var sum = total_of(exponentials);
  for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) {
    sum += exchange_xor(local, sum, distance);
    if (LOG) { ties += exchange_xor(local, ties, distance); }
  }
  if (!live) { return; }
  var shift = 0.0;
  if (LOG) { shift = log_of_sum(u32(ties), sum); }
  for (var c = rank; c < p.classes; c += GROUP_SIZE) {
    let at = first + c * p.inner;
    let value = x[at] - top;
    if (LOG) { y[at] = value - shift; } else { y[at] = exp(value) / sum; }
  }
}
