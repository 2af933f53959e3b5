// dx[o, row, c] = scale * dy[o, c]: the gradient of a sum (scale 1) or a mean (1 / rows) over the middle axis. Memory-bound.
//   replicas folded into outer: dy [outer, C], dx [outer, rows, C]; block is rows * C, size that times outer
struct Params { size: u32, block: u32, channels: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.block;
  let j = o * p.channels + (i - o * p.block) % p.channels;
  dx[i] = p.scale * dy[j];
}
