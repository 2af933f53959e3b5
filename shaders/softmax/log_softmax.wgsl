// y[c] = x[c] - max - log(sum over c of exp(x[c] - max)), one row an invocation; the maximum keeps exp from overflowing. One class at
// the maximum is left out of the sum, and the logarithm is that of 1 + rest, where rest may be too small to change 1.
// Memory-bound.
//   replicas folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let step = params.inner; // from one class to the next
  let o = row / step;
  let first = o * params.classes * step + (row - o * step);
  let end = first + params.classes * step;
  var top = x[first];
  for (var at = first + step; at < end; at += step) { top = max(top, x[at]); }
  var ties = 0u; // counted, because exp(0) need not be exactly 1
  var below = Sum();
  for (var at = first; at < end; at += step) {
    let d = x[at] - top;
    ties += select(0u, 1u, is_zero(d));
    add_term(&below, select(exp(d), 0.0, is_zero(d)));
  }
  let shift = log_of_sum(ties, total_of(below));
  for (var at = first; at < end; at += step) { y[at] = (x[at] - top) - shift; }
}
