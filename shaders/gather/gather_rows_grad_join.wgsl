// Gradient of gather_rows, second of two passes (see gather_rows_grad.wgsl): to a run of equal indices that continues beyond the
// chunk in which it began, adds the sums of the later chunks, in order. An invocation a chunk. A Value is a number, or a vector of neighboring
// channels: then channels count vectors. Memory-bound.
//   R replicas: indices and order [R, count], carried [R, outer, chunks, C], dx [R, outer, rows, C]; size is outer * chunks * C
struct Params { size: u32, dx_size: u32, rows: u32, count: u32, channels: u32, chunk: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> carried: array<Value>;
@group(0) @binding(4) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let line = i / p.channels;
  let c = i - line * p.channels;
  let o = line / p.chunks;
  let t = line - o * p.chunks;
  let base = group.z * p.count;
  let next = (t + 1u) * p.chunk;
  if (next >= p.count) { return; }
  let row = indices[base + order[base + next]];
  if (row >= p.rows || indices[base + order[base + next - 1u]] != row) { return; } // no run continues
  let first = t * p.chunk;
  if (first > 0u && indices[base + order[base + first - 1u]] == row) { return; } // it began in an earlier chunk
  let to = group.z * p.dx_size + (o * p.rows + row) * p.channels + c;
  var sum = Sum();
  add_term(&sum, dx[to]);
  for (var u = t + 1u; u < p.chunks && indices[base + order[base + u * p.chunk]] == row; u++) {
    add_term(&sum, carried[group.z * p.size + i + (u - t) * p.channels]);
  }
  dx[to] = total_of(sum);
}
