// dx[o, row, c] = scale * dy[o, c] * (x[o, row, c] - center[o, c] - rest[o, c]): the gradient of a variance, scale 2 / (rows - ddof).
// The mean is center + rest, because far from 0 one f32 is not accurate enough. Its gradient is 0, because deviations add up to 0. Memory-bound.
//   replicas folded into outer: x and dx [outer, rows, C], center, rest and dy [outer, C]; block is rows * C, size that times outer
struct Params { size: u32, block: u32, channels: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> center: array<f32>;
@group(0) @binding(3) var<storage, read> rest: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.block;
  let j = o * p.channels + (i - o * p.block) % p.channels;
  let slope = p.scale * dy[j];
  dx[i] = slope * (x[i] - center[j]) - slope * rest[j]; // not x - (center + rest), which would round rest away
}
