// Gradient of gather_rows for few indices: dx[o, row, c] = sum over the j with indices[j] = row of dy[o, j, c], in ascending order of j.
// An invocation computes an element of dx and searches all indices, which for few indices costs less than sorting them. A Value is a number, or a
// vector of neighboring channels: then channels count vectors. Memory-bound.
//   R replicas: dy [R, outer, count, C], indices [R, count], dx [R, outer, rows, C]; size is outer * rows * C
struct Params { size: u32, dy_size: u32, rows: u32, count: u32, channels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let line = i / p.channels;
  let c = i - line * p.channels;
  let o = line / p.rows;
  let row = line - o * p.rows;
  let base = group.z * p.dy_size + o * p.count * p.channels + c;
  var sum = Sum();
  for (var j = 0u; j < p.count; j++) {
    if (indices[group.z * p.count + j] == row) { add_term(&sum, dy[base + j * p.channels]); }
  }
  dx[group.z * p.size + i] = total_of(sum);
}
