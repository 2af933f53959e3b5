// y[c] = exp(x[c] - max) / sum over c of the same, one row an invocation; the maximum keeps exp from overflowing. Memory-bound.
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
  var exponentials = Sum();
  for (var at = first; at < end; at += step) {
    let e = exp(x[at] - top);
    y[at] = e;
    add_term(&exponentials, e);
  }
  let sum = total_of(exponentials);
  for (var at = first; at < end; at += step) { y[at] /= sum; }
}
