// dx[o, row, c] = mask[o, row, c] * dy[o, c] / count[o, c]: the gradient of a max or min, shared evenly by all elements that equal it.
// If the extreme is NaN, no element equals it: count is 0, and its part of dx is NaN, as in PyTorch. Memory-bound.
//   replicas folded into outer: mask and dx [outer, rows, C], count and dy [outer, C]; block is rows * C, size that times outer
struct Params { size: u32, block: u32, channels: u32, nan: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read> count: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.block;
  let j = o * p.channels + (i - o * p.block) % p.channels;
  let n = count[j];
  var share = p.nan; // a parameter, because WGSL has no NaN literal
  if (n > 0.0) { share = select(0.0, dy[j] / n, mask[i] > 0.0); }
  dx[i] = share;
}
