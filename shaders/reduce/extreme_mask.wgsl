// mask[o, row, c] = 1 where x[o, row, c] is the extreme y[o, c], else 0: the elements that share the gradient of a max or min. Memory-bound.
//   replicas folded into outer: x and mask [outer, rows, C], y [outer, C]; block is rows * C, size that times outer
struct Params { size: u32, block: u32, channels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> mask: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let o = i / p.block;
  let j = o * p.channels + (i - o * p.block) % p.channels;
  mask[i] = select(0.0, 1.0, !is_nan(y[j]) && x[i] == y[j]); // if y is not NaN, no x is
}
