// Gradient of softmax, from its output: dx[c] = y[c] * (dy[c] - sum_j dy[j] * y[j]), one row an invocation. As the y[j] add up to 1, a
// number may be subtracted from all dy[j]: the dy of a class with y[j] > 1/2, whose dx would otherwise be a difference of nearly equal
// numbers. Memory-bound.
//   replicas folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.rows) { return; }
  let step = params.inner; // from one class to the next
  let o = row / step;
  let first = o * params.classes * step + (row - o * step);
  let end = first + params.classes * step;
  var pivot = 0.0; // dy of the class with y > 1/2, if there is one
  for (var at = first; at < end; at += step) { pivot += select(0.0, dy[at], y[at] > 0.5); }
  var products = Sum();
  for (var at = first; at < end; at += step) { add_term(&products, (dy[at] - pivot) * y[at]); }
  let inner = total_of(products);
  for (var at = first; at < end; at += step) { dx[at] = y[at] * ((dy[at] - pivot) - inner); }
}
