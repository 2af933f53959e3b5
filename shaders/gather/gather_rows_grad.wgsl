// Gradient of gather_rows, first of two passes: sums of dy over runs of equal indices, which are adjacent in `order` (positions j sorted
// by index, then by position):
//   dx[o, row, c] = sum over the j with indices[j] = row of dy[o, j, c]
// An invocation processes one chunk of `order`. A run that began in an earlier chunk is completed by the second pass: carried[o, t, c] is the
// sum of the part of it in chunk t. Rows without an index are not written; dx is 0 before. The order of additions depends on the
// replica's indices and their number alone. A Value is a number, or a vector of
// neighboring channels: then channels count vectors. Memory-bound.
//   R replicas: dy [R, outer, count, C], indices and order [R, count], dx [R, outer, rows, C], carried [R, outer, chunks, C];
//   size is outer * chunks * C
struct Params { size: u32, dx_size: u32, dy_size: u32, rows: u32, count: u32, channels: u32, chunk: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> dx: array<Value>;
@group(0) @binding(5) var<storage, read_write> carried: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let line = i / p.channels;
  let c = i - line * p.channels;
  let o = line / p.chunks;
  let first = (line - o * p.chunks) * p.chunk;
  let last = min(first + p.chunk, p.count);
  let base = group.z * p.count;
  let dy_base = group.z * p.dy_size + o * p.count * p.channels + c;
  let dx_base = group.z * p.dx_size + o * p.rows * p.channels + c;
  var at = first;
  var row = indices[base + order[base + at]];
  var continues = first > 0u && indices[base + order[base + max(first, 1u) - 1u]] == row;
  while (at < last && row < p.rows) { // indices out of range, including negative ones, come last
    let run = row;
    var sum = Sum();
    while (at < last && row == run) {
      add_term(&sum, dy[dy_base + order[base + at] * p.channels]);
      at++;
      if (at < last) { row = indices[base + order[base + at]]; }
    }
    if (continues) {
      carried[group.z * p.size + i] = total_of(sum);
    } else {
      dx[dx_base + run * p.channels] = total_of(sum);
    }
    continues = false;
  }
}
