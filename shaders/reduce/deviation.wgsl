// y[o, row, c] = x[o, row, c] - mean[o, c], or its square with `squared`: the terms of a variance. Memory-bound.
//   replicas folded into outer: x and y [outer, rows, C], mean [outer, C]; block is rows * C, size that times outer
struct Params { size: u32, block: u32, channels: u32, squared: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.block;
  let j = o * p.channels + (i - o * p.block) % p.channels;
  let d = x[i] - mean[j];
  y[i] = select(d, d * d, p.squared != 0u);
}
