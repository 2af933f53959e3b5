// Gradient of log-softmax, from its output: dx[c] = dy[c] - exp(y[c]) * sum_j dy[j], one row an invocation. For a class with exp(y[c])
// near 1 that difference would cancel: there it is -(sum of the other dy[j]) - (exp(y[c]) - 1) * sum_j dy[j]. Memory-bound.
//   replicas folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// Whether a class with the log-probability y has most of a row. NaN must stay NaN in both forms of dx.
fn is_near(y: f32) -> bool {
  return !is_nan(y) && y > -0.5;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let step = params.inner; // from one class to the next
  let o = row / step;
  let first = o * params.classes * step + (row - o * step);
  let end = first + params.classes * step;
  var likely = 0.0; // dy of the class near 1; there is at most one
  var others = Sum();
  for (var at = first; at < end; at += step) {
    let near = is_near(y[at]);
    likely += select(0.0, dy[at], near);
    add_term(&others, select(dy[at], 0.0, near));
  }
  let rest = total_of(others);
  let sum = likely + rest;
  for (var at = first; at < end; at += step) {
    dx[at] = select(dy[at] - exp(y[at]) * sum, -rest - expm1(min(y[at], 0.0)) * sum, is_near(y[at]));
  }
}
